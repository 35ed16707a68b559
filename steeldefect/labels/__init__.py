"""Label files: true masks and picture labels, and the pictures that they name."""
