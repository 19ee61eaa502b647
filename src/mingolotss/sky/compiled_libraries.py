"""wcslib and HEALPix, as astropy and astropy-healpix compile them.

``import astropy.wcs`` brings units, coordinates and tables, which take 0.2 s and more: a tenth of a
short build, which transforms pixels with wcslib alone. The compiled module of each package is
complete in itself and is imported in a millisecond. It gets its own name, so that the package has
the same module when somebody imports it later.

>>> wcslib().Wcsprm(naxis=2).naxis
2
>>> import astropy.wcs
>>> astropy.wcs.Wcsprm is wcslib().Wcsprm
True
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec
from threading import Lock
from types import ModuleType

__all__ = ["healpix", "wcslib"]

_importing = Lock()


@cache
def wcslib() -> ModuleType:
    """Return the module with ``Wcsprm`` and the exceptions of wcslib."""
    return _compiled_module("astropy.wcs._wcs")


@cache
def healpix() -> ModuleType:
    """Return the module with the functions of HEALPix, which take and return radians."""
    return _compiled_module("astropy_healpix._core")


def _compiled_module(name: str) -> ModuleType:
    """Import a compiled module without its package; with it, if the module cannot be found."""
    package, _, _ = name.rpartition(".")
    with _importing:
        spec = None if {name, package} & sys.modules.keys() else _find(name)
        if spec is None or not isinstance(spec.loader, ExtensionFileLoader):
            return import_module(name)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return sys.modules.setdefault(name, module)


def _find(name: str) -> ModuleSpec | None:
    """Find a module in the folder of its package, which is not imported."""
    root, *parents, _ = name.split(".")
    spec = find_spec(root)
    folders = (spec and spec.submodule_search_locations) or []
    return PathFinder.find_spec(name, ["/".join([folder, *parents]) for folder in folders])
