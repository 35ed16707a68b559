"""Measure the watch: repeats, drift, and the newest night after many."""
