"""How the job grows with pictures, tasks at once and keys of a plan: `make bench-growth`."""
