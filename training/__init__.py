"""Training: a folder of labelled pictures and a recipe in, a model bundle out.

    python -m training fit --data DIR --recipe conf/recipes/tutorial.yaml --bundle DIR

In the order a fit runs: `recipe` (settings), `dataset` and `labels` (what lies in the folder),
`split`, `samples` and `pipeline` (pictures to batches), `models`, `losses`, `fitting` (one model),
`evaluation` (held-out scores), `export` (the bundle), `fit` (all of it). `synthetic` draws a
labelled data set. Nothing here imports Spark, and scoring imports nothing from here.
"""

import steeldefect as steeldefect  # before OpenVINO: its telemetry is never loaded
