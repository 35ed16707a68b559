"""Read and write the tables, and define their schema; waves are not known here."""
