"""How the job grows: pictures, tasks at once, keys of a plan. `make bench-growth` runs it."""
