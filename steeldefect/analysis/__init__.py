"""What the tables tell: SQL and exports, comparison with the truth, overlays."""
