"""Calibration: choose thresholds, minimum areas and the temperature on the validation part."""
