"""Addresses of services: checked, completed with a query, and read for the name of a file."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlencode, urljoin, urlsplit

from mingolotss.errors import InputError, ServiceAnswerError
from mingolotss.io.http.addresses import check_address

__all__ = ["add_query", "file_name", "file_path", "join_address", "require_address"]


def require_address(argument: str, service: str) -> str:
    """Return the argument of a service if it is a web address.

    Parameters
    ----------
    argument : str
    service : str
        The name of the service, for the message.

    Raises
    ------
    InputError
        It is something else.
    """
    if not argument.startswith(("http://", "https://")):
        shown = "" if "@" in argument else f":{argument}"  # it may have a password before the @
        raise InputError(
            f"open the service {service}{shown}: give its address, {service}:https://..."
        )
    try:
        check_address(argument)
    except ServiceAnswerError as error:
        raise InputError(f"open the service {service}: {error}") from error
    return argument


def add_query(url: str, **parameters: str) -> str:
    """Return an address with further query parameters.

    >>> add_query("http://x/s?a=1", POS="1,2"), add_query("http://x/s?", b="+")
    ('http://x/s?a=1&POS=1%2C2', 'http://x/s?b=%2B')
    """
    joint = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return f"{url}{joint}{urlencode(parameters)}"


def join_address(base: str, reference: str) -> str:
    """Return the absolute address that an answer gives.

    Where it may lead is checked when it is requested: see `Transport.get` and its `service`.

    Parameters
    ----------
    base : str
        The address of the query, to which a relative address refers.
    reference : str
        The address in the answer.

    Raises
    ------
    ServiceAnswerError
        It is no address.
    """
    try:
        return urljoin(base, reference.strip())
    except ValueError as error:
        raise ServiceAnswerError(f"an answer with {reference[:200]!r}: {error}") from error


def file_name(url: str) -> str:
    """Return the name of the file that an address stands for; see `file_path`.

    >>> file_name("http://x/getproduct/a/P1_5-mosaic.fits?ra=1")
    'P1_5-mosaic.fits'
    """
    return file_path(url).rpartition("/")[2]


def file_path(url: str) -> str:
    """Return the path of the file that an address stands for.

    It is the path of the address, or an IVOA identifier in the parameter ``ID``.

    >>> file_path("http://x/dlget?ID=ivo%3A//x/~%3Fa/P1_5-mosaic.fits&CIRCLE=1")
    'ivo://x/~/a/P1_5-mosaic.fits'
    """
    parts = urlsplit(url)
    path = unquote(parts.path)
    for identifier in parse_qs(parts.query).get("ID", []):
        path = re.sub(r"[?#]", "/", identifier)
    return path
