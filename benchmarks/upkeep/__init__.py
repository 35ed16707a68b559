"""What upkeep does to the time that it takes to read the tables."""
