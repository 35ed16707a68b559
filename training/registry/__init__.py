"""The registry: published bundles, aliases such as `production`, and who may take one.

    REGISTRY/registry.json         says what lies here
    REGISTRY/bundles/<digest>/     bundles, immutable
    REGISTRY/<alias>/000001.json   a record for each promotion; the highest number stands

`store` writes these. `promotion` lets an alias stand for a bundle unless `objections` speak against
it; `signing` signs both, `listing` shows what there is. `comparison` compares two bundles on the
same held-out pictures: `bootstrap` gives the intervals of the differences, `comparison_table` lays
them out, `measuring` runs both bundles on one split where they were held out on different pictures.
`pooling` joins the folds of a cross-validation. Scoring reads aliases by
`steeldefect.bundle.aliases`.
"""
