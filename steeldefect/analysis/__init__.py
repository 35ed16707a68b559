"""Analysis of the tables: SQL, exports, comparison with the truth, overlays."""
