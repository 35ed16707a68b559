"""Measurements of the watch: false alarms, and which faults it finds."""
