"""How a program of this project starts, reports progress, and ends."""
