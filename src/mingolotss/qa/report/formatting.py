"""Numbers and names for people.

>>> number(1234.56), number(None)
('1,234.6', '–')
>>> breakable("<b>A+1")
Markup('&lt;b&gt;A<wbr>+1')
"""

from __future__ import annotations

import math

from markupsafe import Markup, escape

__all__ = ["breakable", "number"]


def number(value: float | None, digits: int = 1) -> str:
    """Return a number for a person, an en dash for none."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:,.{digits}f}"


def breakable(name: str) -> Markup:
    """Return a name, escaped, that may break before the sign of its declination."""
    return Markup("<wbr>+").join(escape(part) for part in name.split("+"))
