"""The tables: their schema, and reading and writing them. Nothing here knows of waves."""
