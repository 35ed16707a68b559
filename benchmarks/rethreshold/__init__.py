"""Benchmark of `steeldefect rethreshold`: seconds for many pictures, bytes of the kept masks."""
