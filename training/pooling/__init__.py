"""Several bundles as one: `python -m training pool --as-bundle`.

`members` opens the bundles and checks that they belong together. `evidence` collects the answers
that choose the values of the new bundle: none is chosen by a model on pictures that it was fitted
on. `pool` writes the bundle.
"""
