"""Numbers and names as the pages show them.

>>> number(1234.56), number(None)
('1,234.6', '–')
>>> breakable("<b>A+1")
Markup('&lt;b&gt;A<wbr>+1')
>>> with_code("`noise_jy` is > 0")
Markup('<code>noise_jy</code> is &gt; 0')
"""

from __future__ import annotations

import base64
import math

from markupsafe import Markup, escape

from mingolotss.io.summaries import one_line

__all__ = ["breakable", "data_url", "number", "one_line", "with_code"]


def number(value: float | None, digits: int = 1) -> str:
    """Return a number with `digits` decimals, or an en dash if it is missing or not finite."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:,.{digits}f}"


def breakable(name: str) -> Markup:
    """Return a source name, escaped, with a possible line break before the sign of declination."""
    return Markup("<wbr>+").join(escape(part) for part in name.split("+"))


def with_code(text: str) -> Markup:
    """Return sentences with names between backticks, escaped, with the names as code."""
    parts = [escape(part) for part in text.split("`")]
    for index in range(1, len(parts) - 1, 2):
        parts[index] = Markup("<code>{}</code>").format(parts[index])
    return Markup().join(parts)


def data_url(kind: str, image: bytes) -> str:
    """Return an image as an address that contains it, for a page that loads nothing.

    >>> data_url("png", b"abc")
    'data:image/png;base64,YWJj'
    """
    return f"data:image/{kind};base64,{base64.b64encode(image).decode('ascii')}"
