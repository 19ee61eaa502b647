"""Validate the body of a response: whether it is a complete FITS file.

The status 200 is not sufficient: archives also send error pages with it, and a chunked response
that stops early looks complete. Only the structure of the file shows whether it is complete (FITS
standard 4.0, sections 3 and 4.4.1). A page or a text may be about maintenance: it is an error that
may pass.

>>> require_complete_fits(b"<html><body>Down for maintenance</body></html>")
Traceback (most recent call last):
    ...
mingolotss.errors.ServiceUnavailableError: an HTML page and no FITS file: "Down for maintenance"
"""

import gzip
import math
import mmap
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import overload

from mingolotss.errors import ServiceAnswerError, ServiceUnavailableError, TruncatedFileError
from mingolotss.io.error_text import excerpt
from mingolotss.io.fits_checksums import checksum_problem
from mingolotss.io.fits_layout import MAX_HEADER_BYTES, data_bytes
from mingolotss.io.gzip_bytes import SizeLimitError, gunzip, gunzip_pieces, is_gzip
from mingolotss.sky.fits_header import BLOCK, card_values, data_offset

__all__ = ["UndamagedFits", "require_complete_fits"]

_Body = bytes | mmap.mmap


@overload
def require_complete_fits(body: bytes, *, max_bytes: int = ...) -> bytes: ...


@overload
def require_complete_fits(body: Path, *, max_bytes: int = ...) -> Path: ...


def require_complete_fits(body: bytes | Path, *, max_bytes: int = 1 << 30) -> bytes | Path:
    """Return a FITS file, decompressed, if all its blocks are there.

    Parameters
    ----------
    body : bytes or Path
        The content of a FITS file, or of one in gzip; or a file with that content, which is
        decompressed in its place.
    max_bytes : int
        The largest size of a decompressed file, by default half of what `io.fits` allows.

    Returns
    -------
    bytes or Path
        The FITS file; blocks of zeros after its last unit are allowed and kept.

    Raises
    ------
    ServiceUnavailableError
        The body is a page or a text.
    ServiceAnswerError
        The body is something else: a table, an image in another format.
    TruncatedFileError
        The file ends before the last block that its headers describe.
    """
    if isinstance(body, bytes):
        if is_gzip(body):
            body = _decompress(body, max_bytes)
        _check_units(body)
        return body
    with body.open("rb") as stream:
        is_compressed = is_gzip(stream.read(2))
    if is_compressed:
        _decompress_file(body, max_bytes)
    if body.stat().st_size == 0:  # which cannot be mapped
        _check_units(b"")
    with body.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as units:
        _check_units(units)
    return body


class UndamagedFits:
    """Validate a complete FITS file, and compare its units with their checksums.

    A file that was damaged on its way arrives in another way the next time. One that arrives twice
    with the same problem is damaged in the archive: it is accepted here, and refused where it is
    read, with the advice of `io.fits_checksums`.

    Parameters
    ----------
    with_checksums : bool
        Whether they are compared.
    """

    def __init__(self, *, with_checksums: bool = True) -> None:
        self._with_checksums = with_checksums
        self._problems: set[str] = set()

    @overload
    def __call__(self, body: bytes) -> bytes: ...

    @overload
    def __call__(self, body: Path) -> Path: ...

    def __call__(self, body: bytes | Path) -> bytes | Path:
        """Return what `require_complete_fits` returns.

        Raises
        ------
        TruncatedFileError
            A unit does not have its checksums, for the first time.
        """
        complete = require_complete_fits(body)
        problem = _checksum_problem(complete) if self._with_checksums else ""
        if problem and problem not in self._problems:
            self._problems.add(problem)
            raise TruncatedFileError(f"a FITS file that was damaged on its way: {problem}")
        return complete


def _checksum_problem(complete: bytes | Path) -> str:
    if isinstance(complete, bytes):
        return _problem_of_units(complete)
    with (
        complete.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as units,
    ):
        return _problem_of_units(units)


def _problem_of_units(body: _Body) -> str:
    for start, data, end in _units(body):
        header = body[start:data]
        # The data are only copied if there is something to compare them with.
        if b"CHECKSUM" in header or b"DATASUM" in header:
            problem = checksum_problem(header, body[data:end])
            if problem:
                return problem
    return ""


def _check_units(body: _Body) -> None:
    """Raise the error for a body that is no complete FITS file."""
    if not len(body):
        raise TruncatedFileError("an empty answer where a FITS file was expected")
    if body[:9] != b"SIMPLE  =":
        if b"SIMPLE  =".startswith(body[:9]):
            raise TruncatedFileError(f"a FITS file that stops after {len(body)} bytes")
        raise _error_of_page(body[:20_000])
    # Each header gives the length of its data, so the units are followed to the end of the file
    # without a look at their pixels. A file that was cut off at a block would otherwise pass for a
    # whole one.
    end = max((end for _, _, end in _units(body)), default=0)
    if end > len(body):
        missing = f"{len(body)} bytes of the {end} that its header announces"
        raise TruncatedFileError(f"a FITS file cut short: {missing}")


def _units(body: _Body) -> Iterator[tuple[int, int, int]]:
    """Yield where each header begins, its data begin, and both should end."""
    end = 0
    while end < len(body) and not _is_padding(body, end):
        start = end
        data, end = _places_of_unit(body, start)
        yield start, data, end


def _error_of_page(start: bytes) -> ServiceAnswerError | ServiceUnavailableError:
    """Return the error for a body without FITS, from its first bytes."""
    kind = _describe_body(start)
    message = f"{kind} and no FITS file: {excerpt(start)}"
    if kind == "a VOTable" or b"\0" in start:
        return ServiceAnswerError(message)
    return ServiceUnavailableError(message)


def _decompress(body: bytes, max_bytes: int) -> bytes:
    """Decompress gzip, up to a limit; only an early end is worth another request."""
    try:
        return gunzip(body, max_bytes=max_bytes)
    except (OSError, EOFError, zlib.error, SizeLimitError) as error:
        raise _gzip_error(error, len(body), max_bytes) from error


def _decompress_file(path: Path, max_bytes: int) -> None:
    """Decompress a gzip file in its place, as `_decompress` does, without holding it in memory."""
    plain = path.with_name(path.name + ".plain")
    try:
        with path.open("rb") as stream, plain.open("xb") as target:
            for piece in gunzip_pieces(stream, max_bytes=max_bytes):
                target.write(piece)
        plain.replace(path)
    except (gzip.BadGzipFile, EOFError, zlib.error, SizeLimitError) as error:
        raise _gzip_error(error, path.stat().st_size, max_bytes) from error
    finally:
        plain.unlink(missing_ok=True)


def _gzip_error(
    error: Exception, length: int, max_bytes: int
) -> ServiceAnswerError | TruncatedFileError:
    if isinstance(error, EOFError):
        return TruncatedFileError(f"a gzip file cut short: {length} bytes, no end in them")
    if isinstance(error, SizeLimitError):
        return ServiceAnswerError(f"a gzip file that unfolds into more than {max_bytes} bytes")
    return ServiceAnswerError(f"a gzip file that cannot be read ({error})")


def _describe_body(body: bytes) -> str:
    """Return what a body without FITS is, from its first bytes.

    Unlike `io.fits_layout`, which describes a file of a user, this looks for the pages and tables
    with which services report errors, and so further into the text.
    """
    head = body[:1000].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")) or b"<html" in head:
        return "an HTML page"
    if b"<votable" in head:
        return "a VOTable"
    return "an unknown kind of file"


def _is_padding(body: _Body, start: int) -> bool:
    """Return whether a block has only zeros or blanks (special records, section 3.5)."""
    return start > 0 and not body[start : start + BLOCK].strip(b"\x00 ")


def _places_of_unit(body: _Body, start: int) -> tuple[int, int]:
    """Return where the data of the unit that begins at `start` begin, and where they should end."""
    data = data_offset(body, start, max_bytes=MAX_HEADER_BYTES)  # type: ignore[arg-type]
    if data is None and len(body) - start < MAX_HEADER_BYTES:
        raise TruncatedFileError(f"a FITS file cut short in a header, at {len(body)} bytes")
    if data is None:
        raise ServiceAnswerError("a FITS file whose header does not end")
    length = data_bytes(card_values(body[start:data]))
    if length is None:
        raise ServiceAnswerError("a FITS file whose header lacks BITPIX or NAXIS")
    return data, data + math.ceil(length / BLOCK) * BLOCK
