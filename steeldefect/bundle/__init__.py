"""The model bundle: its manifest, files, signatures and aliases, and how it is fetched."""
