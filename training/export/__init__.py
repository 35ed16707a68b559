"""Writes a bundle: stages models, converts, quantises, chooses the precision, seals."""
