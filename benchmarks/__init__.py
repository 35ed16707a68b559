"""Measurements: of scoring against its peers and against its limit, of growth, of training."""
