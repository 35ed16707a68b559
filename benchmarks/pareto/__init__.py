"""Dice against cost: which models are worth their time.

`__main__` reads the bundles and prints the table; `measuring` runs them; `drawing` draws.
"""
