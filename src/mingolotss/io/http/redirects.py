"""Check redirects: only to http or https addresses, and without a user name.

`mingolotss.io.http.connections` checks, where it connects, that a redirect does not lead into a
private network.

>>> next_address("https://a.example/x", "../y?z=1")
'https://a.example/y?z=1'
"""

from mingolotss.errors import ServiceAnswerError
from mingolotss.io.http.addresses import address_in_answer, check_address
from mingolotss.io.response_headers import parse_location

__all__ = ["next_address"]


def next_address(url: str, location: str | None) -> str:
    """Return the address that a redirect leads to, if it may be followed.

    Parameters
    ----------
    url : str
        The address that answered with the redirect.
    location : str or None
        Its ``Location`` header, absolute or relative.

    Raises
    ------
    ServiceAnswerError
        There is no address, or one with another scheme or with a user name.
    """
    target = parse_location(url, location)
    try:
        check_address(target)
    except ServiceAnswerError as error:
        message = f"fetch {url}: redirected to {target}, which is not followed: only http(s) is"
        raise ServiceAnswerError(message, url=url) from error
    return address_in_answer(url, target)
