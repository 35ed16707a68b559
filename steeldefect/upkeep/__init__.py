"""Maintain the tables of an output: check, repair, compaction, clean-up."""
