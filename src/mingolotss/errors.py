"""Every error that mingolotss raises on purpose.

.. code-block:: text

    MingoError
    |- InputError               the user can mend it
    |  |- CatalogueError        rows or columns of a catalogue
    |  |- RecipeError           a recipe's keys and values
    |  `- DecisionError         decisions.csv
    |- ServiceError             the far end; .url says which address
    |  |- ServiceUnavailableError   worth another try
    |  `- ServiceAnswerError        the answer itself is wrong: do not retry
    |- ImageError               pixels or header; .path says which file
    |  |- NoWCSError            no position on the sky in the header
    |  |- NoCoverageError       no usable pixel at the place
    |  `- TruncatedFileError    shorter than its header says
    `- DatasetError             files on disk disagree with their manifest

A message says what was attempted, on which thing, what was found and what to do next.

>>> raise TruncatedFileError("read x.fits: 100 of 2880 bytes; fetch it again", path="x.fits")
Traceback (most recent call last):
    ...
mingolotss.errors.TruncatedFileError: read x.fits: 100 of 2880 bytes; fetch it again
"""

__all__ = [
    "CatalogueError",
    "DatasetError",
    "DecisionError",
    "ImageError",
    "InputError",
    "MingoError",
    "NoCoverageError",
    "NoWCSError",
    "RecipeError",
    "ServiceAnswerError",
    "ServiceError",
    "ServiceUnavailableError",
    "TruncatedFileError",
]


class MingoError(Exception):
    """The root of the tree; catch it to catch everything raised on purpose."""


class InputError(MingoError):
    """Something that the user gave and can mend."""


class CatalogueError(InputError):
    """Rows or columns of a catalogue are not what the recipe expects."""


class RecipeError(InputError):
    """A recipe has an unknown key or an impossible value."""


class DecisionError(InputError):
    """A row of ``decisions.csv`` cannot be applied."""


class ServiceError(MingoError):
    """The far end failed.

    Attributes
    ----------
    url : str
        The address that was asked.
    retry : bool
        Whether asking again may help.
    """

    retry = False

    def __init__(self, message: str, *, url: str = "") -> None:
        super().__init__(message)
        self.url = url

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), str(self), {"url": self.url})


class ServiceUnavailableError(ServiceError):
    """No answer, or an answer that says to come back later."""

    retry = True


class ServiceAnswerError(ServiceError):
    """An answer that is not what was asked for; the same question gives it again."""


class ImageError(MingoError):
    """One image cannot be used.

    Attributes
    ----------
    path : str
        The file or address of the image.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), str(self), {"path": self.path})


class NoWCSError(ImageError):
    """The header gives no position on the sky."""


class NoCoverageError(ImageError):
    """The image has no usable pixel where the source is."""


class TruncatedFileError(ImageError):
    """The file ends before the data that its header announces."""


class DatasetError(MingoError):
    """Files on disk disagree with their manifest."""


def _rebuild(kind: type[MingoError], message: str, extra: dict[str, str]) -> MingoError:
    """Unpickle an error that takes keyword arguments: workers send errors home."""
    return kind(message, **extra)
