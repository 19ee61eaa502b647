"""Validate the body of a response: whether it is a complete FITS file.

The status 200 is not sufficient: archives also send error pages with it, and a chunked response
that stops early looks complete. Only the structure of the file shows whether it is complete (FITS
standard 4.0, sections 3 and 4.4.1).

>>> require_complete_fits(b"<html><body>No such field</body></html>")
Traceback (most recent call last):
    ...
mingolotss.errors.ServiceAnswerError: an HTML page and no FITS file: "No such field"
"""

import math
import zlib

from mingolotss.errors import ServiceAnswerError, TruncatedFileError
from mingolotss.io.error_text import excerpt
from mingolotss.io.fits_layout import MAX_HEADER_BYTES, data_bytes
from mingolotss.io.gzip_bytes import SizeLimitError, gunzip, is_gzip
from mingolotss.sky.fits_header import BLOCK, card_values, data_offset

__all__ = ["require_complete_fits"]


def require_complete_fits(body: bytes, *, max_bytes: int = 1 << 30) -> bytes:
    """Return the FITS file in a body, decompressed, if all its blocks are there.

    Parameters
    ----------
    body : bytes
        A FITS file, or one in gzip.
    max_bytes : int
        The largest size of a decompressed file. By default half of what `io.fits` allows for a
        file on disk, since a response is held in memory.

    Returns
    -------
    bytes
        The FITS file; blocks of zeros after its last unit are allowed and kept.

    Raises
    ------
    ServiceAnswerError
        The body is something else: a page, a table, a message.
    TruncatedFileError
        The file ends before the last block that its headers describe.
    """
    if is_gzip(body):
        body = _decompress(body, max_bytes)
    if not body:
        raise TruncatedFileError("an empty answer where a FITS file was expected")
    if body[:9] != b"SIMPLE  =":
        if b"SIMPLE  =".startswith(body[:9]):
            raise TruncatedFileError(f"a FITS file that stops after {len(body)} bytes")
        raise ServiceAnswerError(f"{_describe_body(body)} and no FITS file: {excerpt(body)}")
    # Each header gives the length of its data, so the units are followed to the end of the file
    # without a look at their pixels. A file that was cut off at a block would otherwise pass for a
    # whole one.
    start = 0
    while start < len(body) and not _is_padding(body, start):
        start = _end_of_unit(body, start)
    if start > len(body):
        missing = f"{len(body)} bytes of the {start} that its header announces"
        raise TruncatedFileError(f"a FITS file cut short: {missing}")
    return body


def _decompress(body: bytes, max_bytes: int) -> bytes:
    """Decompress gzip, up to a limit; only an early end is worth another request."""
    try:
        return gunzip(body, max_bytes=max_bytes)
    except EOFError as error:
        message = f"a gzip file cut short: {len(body)} bytes, no end in them"
        raise TruncatedFileError(message) from error
    except (OSError, zlib.error) as error:
        raise ServiceAnswerError(f"a gzip file that cannot be read ({error})") from error
    except SizeLimitError as error:
        message = f"a gzip file that unfolds into more than {max_bytes} bytes"
        raise ServiceAnswerError(message) from error


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


def _is_padding(body: bytes, start: int) -> bool:
    """Return whether a block has only zeros or blanks (special records, section 3.5)."""
    return start > 0 and not body[start : start + BLOCK].strip(b"\x00 ")


def _end_of_unit(body: bytes, start: int) -> int:
    """Return where the header and data unit that begins at `start` should end."""
    data = data_offset(body, start, max_bytes=MAX_HEADER_BYTES)
    if data is None and len(body) - start < MAX_HEADER_BYTES:
        raise TruncatedFileError(f"a FITS file cut short in a header, at {len(body)} bytes")
    if data is None:
        raise ServiceAnswerError("a FITS file whose header does not end")
    length = data_bytes(card_values(body[start:data]))
    if length is None:
        raise ServiceAnswerError("a FITS file whose header lacks BITPIX or NAXIS")
    return data + math.ceil(length / BLOCK) * BLOCK
