"""The registry: published bundles, aliases such as `production`, and the rules of promotion.

    REGISTRY/registry.json         marks the registry and its format
    REGISTRY/bundles/<digest>/     bundles, immutable
    REGISTRY/<alias>/000001.json   one record for each promotion; the highest number counts

- `store` writes these files.
- `promotion` points an alias to a bundle, unless `objections` finds a reason against it.
- `signing` signs bundles and records. `listing` lists them.
- `comparison` compares two bundles on the same held-out pictures. `bootstrap` computes intervals of
  the differences, `comparison_table` writes them as a table. `measuring` runs both bundles on one
  split, for bundles held out on different pictures.
- `pooling` joins the folds of a cross-validation.

Scoring reads aliases by `steeldefect.bundle.aliases`.
"""
