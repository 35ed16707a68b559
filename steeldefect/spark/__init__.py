"""Spark: its session, its JVM, the meaning of its errors, and the archive for clusters."""
