"""The registry: published bundles, aliases such as `production`, and who may take one.

    REGISTRY/registry.json         says what lies here
    REGISTRY/bundles/<digest>/     bundles, immutable
    REGISTRY/<alias>/000001.json   a record for each promotion; the highest number stands

`store` writes these, `promotion` decides, `listing` shows them. `comparison` sets two bundles side
by side: `held_out` reads what each answered, `bootstrap` says how sure the differences are,
`measuring` runs both on a split where they were not held out on the same pictures, `report` is
the table. Scoring reads aliases by `steeldefect.bundle.aliases`.
"""
