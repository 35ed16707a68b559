"""Doubtful pictures go to a person, and the person's corrections come back."""
