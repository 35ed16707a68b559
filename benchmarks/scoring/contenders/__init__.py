"""The contenders: programs that score pictures and write their answers to a file."""
