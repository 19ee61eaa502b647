"""Text from elsewhere in messages of one line: of foreign exceptions, pages and responses.

>>> first_line(ValueError("no column x; columns: a, b")), first_line(ValueError())
('no column x; columns: a, b', 'ValueError')
>>> excerpt(b"<html><body>No <b>such</b> field</body></html>")
'"No such field"'
"""

import re

from mingolotss.errors import clean_text

__all__ = ["excerpt", "first_line", "is_about_maintenance"]

# Compiled when they are first used: every command imports this module, and few ask a server.
_MAINTENANCE = (
    r"(?i)maintenance|temporar|transient|unavailable|try again|later|overload|\bbusy\b|\bdown\b"
    r"|timed? ?out|error 5\d\d"
)

_PROBLEM = (
    r"(?i)\b(error|exception|problem|unable|cannot|could not|fail|invalid|unknown|outside|"
    r"no (images?|matches|candidate|coverage|cutout|data|field|mosaic)|"
    r"not (found|covered|observed|available)|maintenance|unavailable)"
)


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its type if the message is empty."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def is_about_maintenance(text: str) -> bool:
    """Return whether a text of a server speaks of a fault that may pass.

    >>> is_about_maintenance("TransientFault: the database restarts")
    True
    """
    return re.search(_MAINTENANCE, text) is not None


def excerpt(body: bytes, length: int = 160) -> str:
    """Return the first words of a page or message, in quotes and without markup.

    The words of a page may begin with its menu. Then the excerpt begins where the page speaks of a
    problem.

    >>> excerpt(b"<p>Home | Help | Contact</p>" * 9 + b"<h2>Error: no matches</h2>", 30)
    '"...Error: no matches"'
    """
    import html  # with a table of 2,000 characters

    text = body[:20_000].decode("utf-8", "replace")
    text = re.sub(r"(?is)<(script|style|head)\b.*?</\1\s*>", " ", text)
    words = clean_text(" ".join(html.unescape(re.sub(r"<[^<>]*>", " ", text)).split()))
    is_problem = re.compile(_PROBLEM)
    if len(words) > length and not is_problem.search(words, 0, length):
        problem = is_problem.search(words, length)
        words = words if problem is None else f"...{words[problem.start() :]}"
    return f'"{words[:length]}{"..." if len(words) > length else ""}"'
