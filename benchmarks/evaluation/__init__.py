"""Benchmark of `jobs/evaluate.py`: a million labelled pictures, and the memory of the driver."""
