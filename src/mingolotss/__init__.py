"""From a catalogue of radio galaxies to a machine-learning dataset that anyone can rebuild.

>>> import mingolotss
>>> [name for name in ("build", "load", "MingoLoTSS") if name in mingolotss.__all__]
['build', 'load', 'MingoLoTSS']

Names are imported when they are first used, so that this costs nothing: torch, keras, matplotlib
and dask only come with what needs them. Some functions have the name of their module
(``mingolotss.pipeline.run.build``); as an attribute of the package the name is always the
function.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mingolotss.catalogue.catalogue import read_catalogue
    from mingolotss.demonstration import demo
    from mingolotss.errors import MingoError
    from mingolotss.loaders.arrays import load
    from mingolotss.loaders.torch import MLFR, MingoLoTSS
    from mingolotss.pipeline.plan import plan
    from mingolotss.pipeline.run import build, fetch, run
    from mingolotss.publish.export import export
    from mingolotss.qa.compare import compare
    from mingolotss.qa.status import status
    from mingolotss.qa.verify import verify
    from mingolotss.recipe.model import load_recipe
    from mingolotss.service.base import open_service

__version__ = "0.1.0"

_HOMES = {
    "MLFR": "loaders.torch",
    "MingoError": "errors",
    "MingoLoTSS": "loaders.torch",
    "build": "pipeline.run",
    "compare": "qa.compare",
    "demo": "demonstration",
    "export": "publish.export",
    "fetch": "pipeline.run",
    "load": "loaders.arrays",
    "load_recipe": "recipe.model",
    "open_service": "service.base",
    "plan": "pipeline.plan",
    "read_catalogue": "catalogue.catalogue",
    "run": "pipeline.run",
    "status": "qa.status",
    "verify": "qa.verify",
}

__all__ = [
    "MLFR",
    "MingoError",
    "MingoLoTSS",
    "build",
    "compare",
    "demo",
    "export",
    "fetch",
    "load",
    "load_recipe",
    "open_service",
    "plan",
    "read_catalogue",
    "run",
    "status",
    "verify",
]


class _Package(ModuleType):
    """The package, whose public names are imported on first use."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{self.__name__}.{_HOMES[name]}"), name)
        super().__setattr__(name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # the import system binds a submodule to its package: a function of that name stays
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
