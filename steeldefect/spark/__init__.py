"""Spark itself: its session, its JVM, what its errors mean, and what is packed for clusters."""
