"""Training: a folder of labelled pictures and a recipe in, a model bundle out.

    python -m training fit --data DIR --recipe conf/recipes/strong.yaml --bundle DIR

In the order a fit runs: `recipe` (settings, from the words of `choices`), `dataset` and `labels`
(what lies in the folder), `split` and `splitting` (who is trained on, who is measured on),
`samples`, `augmentation` and `pipeline` (pictures to batches), `models`, `losses`, `fitting` with
`schedule` and `state` (one model), `fit_models` (both), `export` and `staging` (models into a
folder), and `finish`: `calibration` (thresholds), `quantising` and `compiling` (forms for CPUs),
`evaluation` (held-out scores), `report`. `fit` is all of it.

Before a fit: `explore` (look at the data), `synthetic` (draw a labelled data set). After it:
`registry` (compare, promote, list). Nothing here imports Spark, and scoring imports nothing from
here.
"""

import steeldefect as steeldefect  # before OpenVINO: its telemetry is never loaded
