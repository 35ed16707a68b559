"""Scoring, measured beside what a user would pick instead; `make bench` runs it.

`material` makes the pictures and the bundle that every contender gets; `contenders` has a program
for each, and `field` says how it is started. `benchmarks.watching` runs it and looks at its
processes, `measuring` turns what was seen into figures, `results` writes them down.
"""
