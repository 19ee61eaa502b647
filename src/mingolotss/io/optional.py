"""Import a library that only one format needs, or say how to get it.

>>> library("json", "write x").__name__
'json'
>>> library("no_such_thing", "write x.h5")
Traceback (most recent call last):
    ...
mingolotss.errors.InputError: write x.h5: this needs no_such_thing; pip install no_such_thing
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mingolotss.errors import InputError

__all__ = ["library"]


def library(name: str, attempt: str) -> Any:
    """Import `name` for what `attempt` says.

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(f"{attempt}: this needs {name}; pip install {name}") from error
