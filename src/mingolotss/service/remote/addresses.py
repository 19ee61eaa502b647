"""Addresses of services: checked, completed with a query, and read for the name of a file."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from mingolotss.errors import InputError

__all__ = ["add_query", "file_name", "require_address"]


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
        raise InputError(
            f"open the service {service}:{argument}: give its address, {service}:https://..."
        )
    return argument


def add_query(url: str, **parameters: str) -> str:
    """Return an address with further query parameters.

    >>> add_query("http://x/s?a=1", POS="1,2"), add_query("http://x/s?", b="+")
    ('http://x/s?a=1&POS=1%2C2', 'http://x/s?b=%2B')
    """
    joint = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return f"{url}{joint}{urlencode(parameters)}"


def file_name(url: str) -> str:
    """Return the name of the file that an address stands for.

    It is in the path, or at the end of an IVOA identifier in the parameter ``ID``.

    >>> file_name("http://x/getproduct/a/P1_5-mosaic.fits?ra=1")
    'P1_5-mosaic.fits'
    >>> file_name("http://x/dlget?ID=ivo%3A//x/~%3Fa/P1_5-mosaic.fits&CIRCLE=1")
    'P1_5-mosaic.fits'
    """
    parts = urlsplit(url)
    name = unquote(parts.path).rpartition("/")[2]
    for identifier in parse_qs(parts.query).get("ID", []):
        name = re.split(r"[/?#]", identifier)[-1]
    return name
