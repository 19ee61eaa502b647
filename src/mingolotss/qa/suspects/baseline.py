"""The baseline: extremely randomised trees (Geurts et al. 2006, Machine Learning 63, 3) on shapes.

The trees predict the vector of labels of a source: 1 for its class and 0 for the others, its tags,
or its fractions of votes. The mean over all trees is a probability of each class: of classes and
votes it sums to 1, and each tag has its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mingolotss.errors import InputError
from mingolotss.foreign import mute_warnings, translate_errors
from mingolotss.io.optional import import_optional
from mingolotss.model import Floats
from mingolotss.qa.suspects.folds import Folds

__all__ = ["TREES", "predict_out_of_fold"]

TREES = 300
"""Number of trees of each fold."""

_FEATURES = 0.2  # of the features, from which each node of a tree chooses


def predict_out_of_fold(
    features: npt.NDArray[np.float32],
    targets: Floats,
    folds: Folds,
    *,
    seed: int,
    action: str,
    notify: Callable[[int], None],
) -> Floats:
    """Predict each source with trees that were grown without it.

    Parameters
    ----------
    features : float32 array, shape (n, features)
    targets : float64 array, shape (n, classes)
    folds : Folds
    seed : int
        The same seed gives the same predictions, whatever the number of processors is.
    action : str
        What was attempted, for messages.
    notify : callable
        Called with the number of folds that have been predicted.

    Returns
    -------
    float64 array, shape (n, classes)

    Raises
    ------
    InputError
        No source is left to train a fold with.
    MissingLibraryError
        scikit-learn is not installed.
    """
    ensemble = import_optional("sklearn.ensemble", action, extra="suspects")
    predicted = np.zeros(targets.shape)
    for fold in range(folds.count):
        rows, used = folds.predicted(fold), folds.training(fold)
        if not used.any():
            raise InputError(
                f"{action}: all sources share pixels with those of fold {fold + 1}, so that none "
                "is left to train with; give the predictions of a model of your own with "
                "--probabilities"
            )
        if rows.any():
            with translate_errors(action, InputError), mute_warnings():
                forest = ensemble.ExtraTreesRegressor(
                    TREES, max_features=_FEATURES, random_state=seed + fold, n_jobs=-1
                )
                forest.fit(features[used], targets[used])
                # One thread: the order of a sum of floating-point numbers is then fixed.
                forest.set_params(n_jobs=1)
                answers = forest.predict(features[rows])
            predicted[rows] = np.reshape(answers, (-1, targets.shape[1]))
        notify(fold + 1)
    return predicted.clip(0, 1)
