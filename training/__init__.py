"""Training: a folder of labelled pictures and a recipe in, a model bundle out.

    python -m training fit --data DIR --recipe conf/recipes/strong.yaml --bundle DIR

The rooms, in the order in which a fit goes through them:

- `recipe`: all settings.
- `data`: the labelled pictures, from the folder's files to batches.
- `splitting`: which pictures are trained on, validated on and held out.
- `models`: the networks, and the weights to begin with.
- `fitting`: losses, schedule, early stopping, checkpoints; both models.
- `calibration`: the gate's temperature and threshold, the classes' thresholds and minimum areas.
- `evaluation`: a detector run over labelled pictures; scores on the held-out ones.
- `export`: models into a folder, compared in all forms, the precision accepted, sealed.
- `report`: one HTML page of how it went.

`fit` is all of it, `finish` the part after both models are fitted, `summary` what it prints.
Before a fit: `synthetic` draws a labelled data set, `explore` shows what lies in one. After it:
`registry` compares bundles, promotes and lists them. `commands` has one module for each command;
`pages` is what the HTML pages share, and `backend` imports Keras.

Nothing here imports Spark, and scoring imports nothing from here.
"""

import steeldefect as steeldefect  # before OpenVINO: its telemetry is never loaded
