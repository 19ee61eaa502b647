"""Names to plug-ins: image services, steps and formats are found here by name.

A package adds its own through entry points (``mingolotss.services``, ``mingolotss.steps``,
``mingolotss.formats``); a program adds one with `Registry.add`. Nothing is imported before it is
asked for.

>>> colours = Registry("colour", group="mingolotss.colours")
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
from importlib.metadata import entry_points
from typing import Any

from mingolotss.errors import InputError

__all__ = ["Registry", "nearest"]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " did you mean 'x'?" for the known word most like `word`, or ""."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" did you mean {close[0]!r}?" if close else ""


class Registry:
    """Named things, loaded when asked for.

    Parameters
    ----------
    kind : str
        What the things are, for messages.
    group : str
        The entry-point group that other packages use.
    """

    def __init__(self, kind: str, *, group: str) -> None:
        self.kind = kind
        self.group = group
        self._known: dict[str, tuple[Any, str]] = {}
        self._searched = False

    def add(self, name: str, target: Any, summary: str = "") -> None:
        """Register `target` (the thing itself, or ``"module:attribute"``) under `name`."""
        self._known[name] = (target, summary)

    def __contains__(self, name: str) -> bool:
        """Say whether something has that name; others' packages are looked through if need be."""
        if name not in self._known:
            self._search()
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        """Give every name, the shipped ones first; entry points are searched only after these."""
        shipped = tuple(self._known)
        yield from shipped
        yield from (name for name in self.names() if name not in shipped)

    def names(self) -> tuple[str, ...]:
        """Return every known name, the shipped ones first."""
        self._search()
        return tuple(self._known)

    def summary(self, name: str) -> str:
        """Return the line that describes `name`."""
        self._search()
        return self._known[name][1]

    def get(self, name: str) -> Any:
        """Return what is registered as `name`.

        Raises
        ------
        InputError
            Nothing has that name; the message lists the names that exist.
        """
        if name not in self:
            hint, known = nearest(name, self._known), ", ".join(self._known)
            raise InputError(f"no {self.kind} is called {name!r}:{hint} Known: {known}")
        target = self._known[name][0]
        if isinstance(target, str):
            module, _, attribute = target.partition(":")
            target = getattr(import_module(module), attribute)
        return target

    def _search(self) -> None:
        if self._searched:
            return
        self._searched = True
        for point in entry_points(group=self.group):
            self._known.setdefault(point.name, (point.value, f"from {point.value}"))
