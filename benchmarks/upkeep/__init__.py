"""How upkeep changes the time to read the tables: `make bench-upkeep`."""
