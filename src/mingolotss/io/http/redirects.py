"""Check redirects: only to http or https, and never into a private network.

A public archive that was compromised or misconfigured could otherwise make this program read
``file:///etc/passwd``, the metadata address of a cloud or a router (server-side request forgery,
CWE-918). The host in the address that the user gave is trusted, wherever it is.

>>> next_address("https://a.example/x", "../y?z=1", trusted="a.example")
'https://a.example/y?z=1'
"""

import ipaddress
import socket
from urllib.parse import urljoin, urlsplit

from mingolotss.errors import ServiceAnswerError, ServiceUnavailableError

__all__ = ["check_scheme", "next_address"]


def check_scheme(url: str) -> None:
    """Check that an address is http or https and has a host.

    Raises
    ------
    ServiceAnswerError
        It is another kind of address.
    """
    try:
        parts = urlsplit(url)
        is_web_address = (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        )
    except ValueError as error:
        raise ServiceAnswerError(f"fetch {url}: not an address ({error})", url=url) from error
    if not is_web_address:
        message = f"fetch {url}: only http:// and https:// addresses are fetched"
        raise ServiceAnswerError(message, url=url)


def next_address(url: str, location: str, *, trusted: str) -> str:
    """Return the address that a redirect leads to, if it may be followed.

    Parameters
    ----------
    url : str
        The address that answered with the redirect.
    location : str
        Its ``Location`` header, absolute or relative.
    trusted : str
        The host in the user's address; a redirect to it is always followed.

    Raises
    ------
    ServiceAnswerError
        Another scheme, or a private, loopback or otherwise unroutable address.
    ServiceUnavailableError
        The new host cannot be resolved.
    """
    target = urljoin(url, location)
    try:
        check_scheme(target)
    except ServiceAnswerError as error:
        message = f"fetch {url}: redirected to {target}, which is not followed: only http(s) is"
        raise ServiceAnswerError(message, url=url) from error
    host = urlsplit(target).hostname or ""
    if host != trusted:
        _refuse_private(url, target, host)
    return target


def _refuse_private(url: str, target: str, host: str) -> None:
    """Refuse a host with any address that is not on the public internet."""
    try:
        addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"fetch {url}: redirected to {target}, whose host has no address ({error})"
        raise ServiceUnavailableError(message, url=url) from error
    for *_, address in addresses:
        if not ipaddress.ip_address(str(address[0]).split("%")[0]).is_global:
            message = (
                f"fetch {url}: redirected to {target}, a private address ({address[0]}) of"
                " another host, which is not followed; tell whoever runs the service"
            )
            raise ServiceAnswerError(message, url=url)
