"""Which labels look wrong: out-of-fold predictions of a baseline, ranked by cleanlab.

``run.py`` does all of it; ``shape_features.py`` describes the stamps, ``folds.py`` divides the
sources, ``baseline.py`` predicts, and ``ranking.py`` compares labels with predictions.
"""
