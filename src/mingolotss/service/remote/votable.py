"""VOTables that IVOA services answer with: parsed by pyvo, and checked here.

HTTP status 200 is not enough: a service reports in ``QUERY_STATUS`` whether it understood the query
(DALI 1.1, section 4.4). If rows are missing because of a limit (``OVERFLOW``), fields would be lost
silently; that is an error here.

>>> parse_votable(b"<html><body>Proxy error</body></html>")
Traceback (most recent call last):
    ...
mingolotss.errors.ServiceUnavailableError: an HTML page and no VOTable: "Proxy error"
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sized
from typing import TypeVar

from astropy.io.votable.tree import VOTableFile
from pyvo.dal.exceptions import DALQueryError

from mingolotss.errors import ServiceAnswerError, ServiceUnavailableError, TruncatedFileError
from mingolotss.foreign import mute_warnings, translate_errors
from mingolotss.io.error_text import excerpt, first_line, is_about_maintenance
from mingolotss.io.votables import IncompleteDocumentError, UnreadableDocumentError
from mingolotss.io.votables import parse_votable as parse

__all__ = ["parse_results", "parse_votable", "whole_votable"]

_Results = TypeVar("_Results", bound=Sized)


def whole_votable(body: bytes) -> bytes:
    """Check that a body is a VOTable and ends with its last tag; a validator for `Transport.get`.

    Raises
    ------
    ServiceUnavailableError
        It is no VOTable: a page about maintenance, for example.
    TruncatedFileError
        It is cut short.
    """
    start = body[:4000].lower()
    if not body.strip():
        raise TruncatedFileError("an empty answer where a VOTable was expected")
    if b"<votable" not in start and b":votable" not in start:
        kind = "an HTML page" if b"<html" in start else "an unknown kind of answer"
        raise ServiceUnavailableError(f"{kind} and no VOTable: {excerpt(body)}")
    if b"votable>" not in body[-200:].lower():
        raise TruncatedFileError(f"a VOTable cut short: {len(body)} bytes without its last tag")
    return body


def parse_votable(body: bytes) -> VOTableFile:
    """Parse a VOTable.

    Raises
    ------
    ServiceAnswerError
        It is a VOTable that cannot be read.
    ServiceUnavailableError
        It is no VOTable.
    TruncatedFileError
        It is cut short.
    """
    whole_votable(body)
    try:
        return parse(io.BytesIO(body))
    except IncompleteDocumentError as error:
        raise TruncatedFileError(f"a VOTable cut short: {first_line(error)}") from error
    except UnreadableDocumentError as error:
        raise ServiceAnswerError(f"a VOTable that cannot be read ({first_line(error)})") from error


def parse_results(results_class: Callable[..., _Results], body: bytes, url: str) -> _Results:
    """Parse a response into the rows of a pyvo result.

    Parameters
    ----------
    results_class : class
        E.g. ``pyvo.dal.SIAResults``.
    body : bytes
    url : str
        The query, to which relative addresses in the response refer.

    Raises
    ------
    ServiceAnswerError
        The service reports ERROR or OVERFLOW, or there is no table of results.
    ServiceUnavailableError
        The service reports a fault of its own that may pass.
    """
    tree = parse_votable(body)
    try:
        with (
            mute_warnings(),
            translate_errors(
                "a VOTable without results", ServiceAnswerError, passed=(DALQueryError,)
            ),
        ):
            rows = results_class(tree, url=url)
    except DALQueryError as error:
        text = _one_line(error)
        # A service reports its own faults in the same way as those of the query (DALI 1.1, 4.4).
        kind = ServiceUnavailableError if is_about_maintenance(text) else ServiceAnswerError
        raise kind(f"the service refused the query: {text}") from error
    if _overflows(tree):
        raise ServiceAnswerError(
            f"the service stopped after {len(rows)} rows (OVERFLOW); some images would be"
            " missing: ask for a smaller size"
        )
    return rows


def _overflows(tree: VOTableFile) -> bool:
    """Return whether rows are missing; the notice comes after the table."""
    infos = [info for resource in tree.resources for info in resource.infos]
    return any(i.name == "QUERY_STATUS" and i.value == "OVERFLOW" for i in infos)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
