"""Training: fit models to a folder of labelled pictures, as a recipe says, and write a bundle.

    python -m training fit --data DIR --recipe conf/recipes/strong.yaml --bundle DIR

The packages, in the order in which a fit uses them:

- `recipe`: all settings of a fit.
- `data`: reads labelled pictures, and makes batches of them.
- `splitting`: divides the pictures into train, validation and test parts.
- `models`: builds the networks, and loads their initial weights.
- `fitting`: fits both models: losses, schedule, early stopping, checkpoints.
- `calibration`: chooses the gate's temperature and threshold, and the thresholds and minimum
  areas of the classes.
- `evaluation`: runs a detector over labelled pictures, and computes the held-out scores.
- `export`: writes the models, compares all forms, chooses the precision, seals the bundle.
- `report`: writes an HTML page about the fit.

The module `fit` runs a whole fit, `finish` runs the steps after both models are fitted, and
`summary` formats the text that a fit prints at its end. `synthetic` draws a labelled data set, and
`explore` describes a data set before a fit. `registry` compares, promotes and lists bundles.
`commands` has one module for each command, `pages` holds the shared parts of the HTML pages, and
`backend` imports Keras.

No module in `training` imports Spark, and scoring imports nothing from `training`.
"""

import steeldefect as steeldefect  # must come before OpenVINO, to keep its telemetry unloaded
