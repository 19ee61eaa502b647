"""Names in Markdown: shown as they are, without becoming tables, tags, links or emphasis."""

from __future__ import annotations

import re

from mingolotss.errors import clean_text

__all__ = ["code", "escape"]

# CommonMark 0.31, section 2.4: a backslash before ASCII punctuation makes it literal. Escaped is
# what can begin markup inside a line or a table cell; "_" inside a word and "-" cannot.
_MARKUP = re.compile(r"[\\`*\[\]<>|~$]|&(?=#?\w+;)|(?<!\w)_|_(?!\w)")


def escape(name: str) -> str:
    r"""Return a name as one line of Markdown that shows it.

    >>> print(escape("FRI NAT"), escape("a|b <i>*x*</i> [y](z)"), escape("snake_case &amp; R&D"))
    FRI NAT a\|b \<i\>\*x\*\</i\> \[y\](z) snake_case \&amp; R&D
    """
    return _MARKUP.sub(r"\\\g<0>", " ".join(name.split()))


def code(text: str) -> str:
    """Return a text as a code span of one line, also if it has backticks (CommonMark 0.31, 6.1).

    >>> print(code("like:demo"), code("a`b"))
    `like:demo` `` a`b ``
    """
    line = " ".join(clean_text(text).split())
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest else f"`{line}`"
