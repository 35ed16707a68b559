"""Fit what clean pictures look like, and choose the limit above which a picture is unlike them.

`fit_novelty` collects the features of clean pictures, `limit` chooses from their distances. The
layers that a bundle gets are in `training.models.novelty`.
"""
