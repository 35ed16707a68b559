"""Keeps the tables of an output whole and fast: check, repair, compaction, clean-up."""
