"""Optional libraries: imported when they are used, with the install command in the error.

A module that needs an optional library can be imported without it; only its use fails.

>>> import_optional("json", "write x").__name__
'json'
>>> import_optional("no_such_library", "write x.h5")
Traceback (most recent call last):
    ...
mingolotss.io.optional.MissingLibraryError: write x.h5: this needs no_such_library;
pip install no_such_library
>>> class Images(optional_class("no_such_library.data", "Dataset", extra="torch")):
...     '''A class whose base class is another library's.'''
>>> Images("demo")
Traceback (most recent call last):
    ...
mingolotss.io.optional.MissingLibraryError: use Images: this needs no_such_library;
pip install 'mingolotss[torch]'
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import NoReturn

from mingolotss.errors import InputError
from mingolotss.io.error_text import first_line

__all__ = ["MissingLibraryError", "import_optional", "optional_class"]


class MissingLibraryError(InputError, ImportError):
    """A library that is not installed, or cannot be imported, is needed for what was asked."""


def import_optional(name: str, purpose: str, *, extra: str = "") -> ModuleType:
    """Import a module of an optional library.

    Parameters
    ----------
    name : str
        The module.
    purpose : str
        What the module is needed for; the beginning of the error message.
    extra : str, optional
        The extra of mingolotss that installs it; by default, the library is installed by its name.

    Raises
    ------
    MissingLibraryError
        The module cannot be imported. The message ends with the command that installs it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise _missing(name, purpose, extra, error) from error


def optional_class(module: str, name: str, *, extra: str, remedy: str = "") -> type:
    """Return a class of an optional library, for use as a base class.

    Parameters
    ----------
    module, name : str
        The class is ``module.name``.
    extra : str
        The extra of mingolotss that installs the library.
    remedy : str, optional
        What to do if the library is there but cannot be imported; by default, to install it.

    Returns
    -------
    type
        The class; without the library, a class that can be subclassed, and raises
        ``MissingLibraryError`` when an instance is made.
    """
    try:
        base: type = getattr(import_module(module), name)
    except (ImportError, ValueError) as error:  # keras: ValueError for a backend that it has not
        return _placeholder(module, extra, remedy, error)
    return base


def _placeholder(module: str, extra: str, remedy: str, error: ImportError | ValueError) -> type:
    class Placeholder:
        def __new__(cls, *_args: object, **_options: object) -> NoReturn:
            raise _missing(module, f"use {cls.__name__}", extra, error, remedy) from error

    return Placeholder


def _missing(
    module: str, purpose: str, extra: str, error: ImportError | ValueError, remedy: str = ""
) -> MissingLibraryError:
    """Write the error; it has a reason if the library is there but does not work."""
    library = module.partition(".")[0]
    is_absent = isinstance(error, ModuleNotFoundError) and error.name == library
    reason = "" if is_absent else f", which cannot be imported ({first_line(error)})"
    command = "pip install " + (f"'mingolotss[{extra}]'" if extra else library)
    action = remedy if remedy and not is_absent else command
    return MissingLibraryError(f"{purpose}: this needs {library}{reason}; {action}", name=library)
