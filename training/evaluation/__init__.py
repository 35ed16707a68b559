"""The held-out pictures: asked, compared with their true masks, laid out as a table."""
