"""Plug-ins by name: image services, steps and formats.

Another package adds its own through the entry points ``mingolotss.services``, ``mingolotss.steps``
and ``mingolotss.formats``; a program adds one with `Registry.add`. A plug-in is imported when it is
used.

>>> colours: Registry[object] = Registry("colour", group="mingolotss.colours")
>>> colours.add("red", "colorsys:rgb_to_hsv", "warm")
>>> colours.names()
('red',)
>>> colours.get("rad")
Traceback (most recent call last):
    ...
mingolotss.errors.InputError: no colour is called 'rad': did you mean 'red'? Known: red
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Generic, TypeVar

from mingolotss.errors import InputError

__all__ = ["Registry", "nearest"]

_Target = TypeVar("_Target")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " did you mean 'x'?" for the most similar known word; "" if none is similar."""
    words = list(known)
    close = [one for one in words if one.lower() == word.lower()]
    close = close or difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f" did you mean {close[0]!r}?" if close else ""


class Registry(Generic[_Target]):
    """Named plug-ins of one kind, imported when they are used.

    Parameters
    ----------
    kind : str
        What the plug-ins are, for messages.
    group : str
        The entry-point group of other packages.
    """

    def __init__(self, kind: str, *, group: str) -> None:
        self.kind = kind
        self.group = group
        self._known: dict[str, tuple[_Target | str, str]] = {}
        self._searched = False

    def add(self, name: str, target: _Target | str, summary: str = "") -> None:
        """Register a plug-in.

        Parameters
        ----------
        name : str
        target : object or str
            The plug-in itself, or its address as ``"module:attribute"``.
        summary : str
            One line that describes it.
        """
        self._known[name] = (target, summary)

    def __contains__(self, name: str) -> bool:
        """Return whether a plug-in has that name, in this package or in another."""
        if name not in self._known:
            self._search()
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        """Yield all names, those of this package first; only then search other packages."""
        shipped = tuple(self._known)
        yield from shipped
        yield from (name for name in self.names() if name not in shipped)

    def names(self) -> tuple[str, ...]:
        """Return all names, those of this package first."""
        self._search()
        return tuple(self._known)

    def summary(self, name: str) -> str:
        """Return the line that describes a plug-in."""
        self._search()
        return self._known[name][1]

    def is_shipped(self, name: str) -> bool:
        """Return whether a name stands for what this package has under it, not for a plug-in."""
        target = self._known[name][0]
        return isinstance(target, str) and target.startswith(("mingolotss.", "mingolotss:"))

    def get(self, name: str) -> _Target:
        """Return a plug-in.

        Raises
        ------
        InputError
            None has that name; the message lists the names that exist. Or it cannot be imported.
        """
        if name not in self:
            hint, known = nearest(name, self._known), ", ".join(self._known)
            raise InputError(f"no {self.kind} is called {name!r}:{hint} Known: {known}")
        target = self._known[name][0]
        if not isinstance(target, str):
            return target
        module, _, attribute = target.partition(":")
        try:
            loaded: _Target = getattr(import_module(module), attribute)
        except (Exception, SystemExit) as error:
            if self.is_shipped(name):
                raise  # a bug of this package, or MingoError for an optional library
            raise InputError(
                f"load the {self.kind} {name!r} from {target}: {type(error).__name__}: {error}; "
                "install the package that has it again, or ask its authors"
            ) from error
        return loaded

    def _search(self) -> None:
        """Add the plug-ins of other packages, once."""
        if self._searched:
            return
        self._searched = True
        from importlib.metadata import entry_points  # 20 ms, for plug-ins of other packages only

        for point in entry_points(group=self.group):
            self._known.setdefault(point.name, (point.value, f"from {point.value}"))
