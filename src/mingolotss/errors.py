"""The errors that mingolotss raises deliberately.

.. code-block:: text

    MingoError
    |- InputError               the user can correct it
    |  |- CatalogueError        rows or columns of a catalogue
    |  |- RecipeError           a recipe's keys and values
    |  `- DecisionError         decisions.csv
    |- ServiceError             an image service; .url is the address, .status the HTTP status
    |  |- ServiceUnavailableError   a later request may succeed
    |  `- ServiceAnswerError        the response is not usable; a retry does not help
    |- ImageError               pixels or header; .path is the file
    |  |- NoWCSError            no position on the sky in the header
    |  |- TruncatedFileError    shorter than its header says
    |  |- UnreadableFileError   not readable now: no memory, too many open files
    |  `- PluginError           the code of a plug-in failed on this image
    `- DatasetError             the files of a dataset do not agree with its manifest

A message says what was attempted, on what, what was found, and what to do. Names, addresses and
texts in it may come from outside: every message is one line without control characters and without
the passwords of addresses (see `clean_text`).

>>> raise TruncatedFileError("read x.fits: 100 of 2880 bytes; fetch it again", path="x.fits")
Traceback (most recent call last):
    ...
mingolotss.errors.TruncatedFileError: read x.fits: 100 of 2880 bytes; fetch it again
"""

import re

__all__ = [
    "CatalogueError",
    "DatasetError",
    "DecisionError",
    "ImageError",
    "InputError",
    "MingoError",
    "NoWCSError",
    "PluginError",
    "RecipeError",
    "ServiceAnswerError",
    "ServiceError",
    "ServiceUnavailableError",
    "TruncatedFileError",
    "UnreadableFileError",
    "clean_text",
    "hide_credentials",
]

# User and password in an address (RFC 3986, section 3.2.1). In a web address everything before the
# @ is hidden. In other addresses a name without a password stays: in abfs://container@account it is
# no secret. The last alternative hides a password with a slash, which belongs into no address.
_CREDENTIALS = re.compile(
    r"(?i)\b((?:https?|ftps?)://)[^\s/?#@]*@"
    r"|\b([a-z][a-z0-9+.-]{0,30}://)[^\s/?#@:]*:[^\s/?#@]*@"
    r"|\b([a-z][a-z0-9+.-]{0,30}://)[^\s/?#@:\[\]]*:(?!\d*(?:[/?#]|$))[^\s@]*@"
)

_LONGEST = 8000  # characters of a message

# PyTorch raises an error of a worker process again in the process that trains, and its message is
# then the traceback in the worker. The last line of that has the message.
_FROM_WORKER = re.compile(
    r"Caught \w+ in \w+ worker process \d+\.\n.*\nmingolotss\.[\w.]+: ([^\n]*)\n*", re.DOTALL
)


def hide_credentials(text: str) -> str:
    """Return a text whose addresses have no user and no password.

    >>> hide_credentials("sia:https://me:secret@x.org/siap and abfs://data@x.org/a")
    'sia:https://x.org/siap and abfs://data@x.org/a'

    Parameters
    ----------
    text : str
        Any text, also several lines.

    Returns
    -------
    str
        The text without them.
    """
    if "@" not in text:
        return text
    return _CREDENTIALS.sub(lambda match: match[1] or match[2] or match[3], text)


def clean_text(text: str) -> str:
    r"""Return a text from outside as one line that is safe on a terminal and in a log.

    White space becomes a blank. Control characters, escape sequences and marks that change the
    direction of the text are written as Python writes them. Passwords in addresses are left out.

    >>> print(clean_text("a\x1b[2Jb\nc \u202e https://me:secret@x.org/"))
    a\x1b[2Jb c \u202e https://x.org/

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        One line.
    """
    if not text.isprintable():
        text = "".join(
            c if c.isprintable() else " " if c.isspace() else c.encode("unicode_escape").decode()
            for c in text
        )
    return hide_credentials(text)


class MingoError(Exception):
    """Base class of all errors of mingolotss.

    Parameters
    ----------
    message : str
        It becomes one line that is safe on a terminal, see `clean_text`.
    **options
        Of further base classes, as ``name`` and ``path`` of an ImportError.

    Examples
    --------
    >>> import mingolotss
    >>> try:
    ...     mingolotss.load("no/such/place")
    ... except mingolotss.MingoError as error:
    ...     print(error)
    load a dataset from no/such/place: there is nothing there; ...
    """

    def __init__(self, message: str = "", **options: str | int | None) -> None:
        from_worker = _FROM_WORKER.fullmatch(message)
        text = clean_text(message if from_worker is None else from_worker[1])
        if len(text) > _LONGEST:  # a value of a file that may be a megabyte long
            text = f"{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}"
        super().__init__(text, **options)  # `name` and `path` of an ImportError


class InputError(MingoError):
    """An input is wrong, and the user can correct it."""


class CatalogueError(InputError):
    """A catalogue does not have the rows or columns that the recipe expects."""


class RecipeError(InputError):
    """A recipe has an unknown key or an impossible value."""


class DecisionError(InputError):
    """A row of ``decisions.csv`` cannot be applied."""


class ServiceError(MingoError):
    """An image service failed.

    Parameters
    ----------
    message : str
        What was attempted, on what, what was found, and what to do.
    url : str
        The address of the request.
    status : int, optional
        The HTTP status, if it is the reason of the error.

    Attributes
    ----------
    url : str
        The address of the request.
    status : int or None
        The HTTP status, if it is the reason of the error.
    retry : bool
        Whether a later request may succeed.
    """

    retry = False

    def __init__(self, message: str, *, url: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.url, self.status = url, status

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), str(self), {"url": self.url, "status": self.status})


class ServiceUnavailableError(ServiceError):
    """The service did not respond, or asked for a later request."""

    retry = True


class ServiceAnswerError(ServiceError):
    """The response is not usable, and would be the same for a repeated request."""


class ImageError(MingoError):
    """One image cannot be used.

    Parameters
    ----------
    message : str
        What was attempted, on what, what was found, and what to do.
    path : str
        The file or address of the image.

    Attributes
    ----------
    path : str
        The file or address of the image.
    retry : bool
        Whether it may be readable later.
    """

    retry = False

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), str(self), {"path": self.path})


class NoWCSError(ImageError):
    """The header has no position on the sky."""


class TruncatedFileError(ImageError):
    """The file ends before the data that its header describes."""


class PluginError(ImageError):
    """A step or a service of another package raised an exception, or broke its contract."""


class UnreadableFileError(ImageError):
    """The system could not read the file this time: no memory, too many open files, a disk error.

    It says nothing about the image, and is not kept as its rejection.
    """

    retry = True


class DatasetError(MingoError):
    """The files of a dataset are missing, damaged, or do not agree with the manifest."""


def _rebuild(
    kind: type[MingoError], message: str, extra: dict[str, str | int | None]
) -> MingoError:
    """Unpickle an error with keyword arguments, as workers return them."""
    return kind(message, **extra)
