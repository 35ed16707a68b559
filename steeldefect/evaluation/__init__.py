"""Findings compared with the truth: pixels, defects, pictures, each metric with its interval."""
