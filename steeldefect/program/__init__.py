"""Start, progress and end of every program of this project."""
