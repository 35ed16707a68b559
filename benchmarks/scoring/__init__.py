"""Compare scoring with its limit and with other programs that a user could choose: `make bench`.

`material` creates the pictures and the bundle that every contender gets. `contenders` holds one
program per contender, and `field` lists them with their command lines. `benchmarks.watching` runs a
contender and measures its processes, `measuring` computes the figures, `results` writes them.
"""
