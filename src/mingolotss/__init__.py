"""From a catalogue of radio galaxies to a machine-learning dataset that anyone can rebuild.

>>> import mingolotss
>>> [name for name in ("build", "load", "MingoLoTSS") if name in mingolotss.__all__]
['build', 'load', 'MingoLoTSS']

Names are imported when they are first used, so that this costs nothing: torch, keras, matplotlib
and dask only come with what needs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mingolotss.build import build, plan, run
    from mingolotss.catalogue import read_catalogue
    from mingolotss.demo import demo
    from mingolotss.errors import MingoError
    from mingolotss.readers.arrays import load
    from mingolotss.readers.torch import MLFR, MingoLoTSS
    from mingolotss.recipe import load_recipe
    from mingolotss.services.base import open_service
    from mingolotss.status import status
    from mingolotss.verify import verify

__version__ = "0.1.0"

_HOMES = {
    "MLFR": "readers.torch",
    "MingoError": "errors",
    "MingoLoTSS": "readers.torch",
    "build": "build",
    "demo": "demo",
    "load": "readers.arrays",
    "load_recipe": "recipe",
    "open_service": "services.base",
    "plan": "build",
    "read_catalogue": "catalogue",
    "run": "build",
    "status": "status",
    "verify": "verify",
}

__all__ = [
    "MLFR",
    "MingoError",
    "MingoLoTSS",
    "build",
    "demo",
    "load",
    "load_recipe",
    "open_service",
    "plan",
    "read_catalogue",
    "run",
    "status",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mingolotss' has no attribute {name!r}")
    value = getattr(import_module(f"mingolotss.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
