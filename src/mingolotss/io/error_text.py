"""Text from elsewhere in messages of one line: of foreign exceptions, pages and responses.

>>> first_line(ValueError("no column x; columns: a, b")), first_line(ValueError())
('no column x; columns: a, b', 'ValueError')
>>> excerpt(b"<html><body>No <b>such</b> field</body></html>")
'"No such field"'
"""

import html
import re

from mingolotss.errors import clean_text

__all__ = ["excerpt", "first_line"]


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its type if the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def excerpt(body: bytes, length: int = 160) -> str:
    """Return the first words of a page or message, in quotes and without markup."""
    text = body[:20_000].decode("utf-8", "replace")
    text = re.sub(r"(?is)<(script|style|head)\b.*?</\1\s*>", " ", text)
    words = clean_text(" ".join(html.unescape(re.sub(r"<[^<>]*>", " ", text)).split()))
    return f'"{words[:length]}{"..." if len(words) > length else ""}"'
