"""Conformance suites for plug-ins: call them from the tests of your own services and steps.

- `check_service` (`mingolotss.testing.services`) checks an image service.
- `check_step` (`mingolotss.testing.steps`) checks a step of a recipe.

Both raise an AssertionError with one line that names the first promise that is broken.

>>> import numpy as np
>>> check_step("clip", {"sigma": 3.0}, np.random.default_rng(1))
"""

from mingolotss.testing.services import Image, check_service
from mingolotss.testing.steps import check_step

__all__ = ["Image", "check_service", "check_step"]
