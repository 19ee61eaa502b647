"""Tables that IVOA services answer with: parsed by pyvo, judged here, fetched elsewhere.

Status 200 proves nothing: a service says in ``QUERY_STATUS`` whether it understood (DALI 1.1,
section 4.4). Rows cut off at a limit (``OVERFLOW``) would lose fields silently, so they are an
error here.

>>> parse_votable(b"<html><body>Proxy error</body></html>")
Traceback (most recent call last):
    ...
mingolotss.errors.ServiceAnswerError: an HTML page and no VOTable: "Proxy error"
"""

from __future__ import annotations

import io
import warnings
from typing import Any
from xml.parsers.expat import ExpatError

from astropy.io import votable
from astropy.io.votable.exceptions import VOTableSpecError
from pyvo.dal.exceptions import DALQueryError, DALServiceError

from mingolotss.errors import ServiceAnswerError, TruncatedFileError
from mingolotss.io.http.validators import excerpt

__all__ = ["parse_votable", "results", "whole_votable"]

_LIMIT = 20 << 20


def whole_votable(body: bytes) -> bytes:
    """Validator a body: a VOTable to its last tag (a judge for the transport).

    Raises
    ------
    ServiceAnswerError
        It is something else.
    TruncatedFileError
        It stops early.
    """
    head = body[:4000].lower()
    if not body.strip():
        raise TruncatedFileError("an empty answer where a VOTable was expected")
    if b"<votable" not in head and b":votable" not in head:
        kind = "an HTML page" if b"<html" in head else "an unknown kind of answer"
        raise ServiceAnswerError(f"{kind} and no VOTable: {excerpt(body)}")
    if b"votable>" not in body[-200:].lower():
        raise TruncatedFileError(f"a VOTable cut short: {len(body)} bytes without its last tag")
    return body


def parse_votable(body: bytes) -> Any:
    """Return a VOTable's tree.

    Raises
    ------
    ServiceAnswerError
        It is no VOTable, or one that cannot be read.
    """
    whole_votable(body)
    if b"<!ENTITY" in body[:_LIMIT]:
        raise ServiceAnswerError("a VOTable that defines XML entities, which no service needs")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return votable.parse(io.BytesIO(body))
    except (ExpatError, VOTableSpecError, ValueError, IndexError, TypeError, KeyError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise ServiceAnswerError(f"a VOTable that cannot be read ({line})") from error


def results(kind: Any, body: bytes, url: str) -> Any:
    """Return an answer as pyvo's results of some kind.

    Parameters
    ----------
    kind : class
        ``pyvo.dal.SIAResults`` or one like it.
    body : bytes
    url : str
        For messages.

    Raises
    ------
    ServiceAnswerError
        The service says ERROR or OVERFLOW, or has no result table.
    """
    tree = parse_votable(body)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = kind(tree, url=url)
    except DALQueryError as error:
        raise ServiceAnswerError(f"the service refused the question: {_line(error)}") from error
    except (DALServiceError, ValueError, IndexError, KeyError) as error:
        raise ServiceAnswerError(f"a VOTable without results ({_line(error)})") from error
    if _overflows(tree):
        raise ServiceAnswerError(
            f"the service stopped after {len(found)} rows (OVERFLOW); some images would be"
            " missing: ask for a smaller size"
        )
    return found


def _overflows(tree: Any) -> bool:
    """Tell whether rows were cut off; the notice comes after the table."""
    infos = [info for resource in tree.resources for info in resource.infos]
    return any(i.name == "QUERY_STATUS" and i.value == "OVERFLOW" for i in infos)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
