"""What users write, with the types that checkers find in it. Nothing here is run.

``make check`` reads this file with mypy, and ``make test-packages`` with pyright.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt

import mingolotss
from mingolotss import Build, MingoError, Plan, Recipe


def learn(root: Path) -> npt.NDArray[np.int64]:
    """Load a dataset with numpy."""
    samples = mingolotss.load(root, "train", merge={"FR1": ["FRI"], "FR2": ["FRII"]})
    assert_type(samples.classes, tuple[str, ...])
    assert_type(samples.labels, npt.NDArray[np.int64])
    assert_type(mingolotss.__version__, str)
    brightest: float = samples.images[0].max()
    return samples.labels[: int(brightest)]


def make(catalogue: Path) -> Build:
    """Build a dataset, in one call and step by step."""
    recipe = mingolotss.load_recipe("mingolotss")
    assert_type(recipe, Recipe)
    try:
        first = mingolotss.build(recipe, catalogue=catalogue, service="folder:cutouts", out="data")
    except MingoError as error:
        raise SystemExit(str(error)) from error
    assert_type(first, Build)
    steps = mingolotss.plan(recipe, catalogue=catalogue, out="other", settings={"formats": ["csv"]})
    assert_type(steps, Plan)
    with mingolotss.processes(2) as mapper:
        return mingolotss.run(mingolotss.fetch(steps), mapper)


def check(folder: Path) -> Sequence[str]:
    """Verify a dataset, and list its recipes' names."""
    result = mingolotss.verify(folder)
    if not result.good:
        raise SystemExit("\n".join(result.problems))
    return [recipe.upper() for recipe in mingolotss.recipes()]
