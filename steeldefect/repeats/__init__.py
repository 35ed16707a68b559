"""Defects that come again: marks of a damaged roll, and dirt at one place of the pictures."""
