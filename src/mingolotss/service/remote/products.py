"""From a server's list of files to candidates: image and rms map paired by whole field name.

The survey's products of one field stand side by side in an answer: ``P164_55-mosaic.fits``, its
rms map ``-mosaic-rms.fits``, and three that are not wanted (``-low-mosaic``,
``-residual-mosaic``, ``-low-residual-mosaic``).

>>> rows = [Product("P1_5-mosaic.fits", "u/1"), Product("P1_5-mosaic-rms.fits", "u/2"),
...         Product("P1_5-low-mosaic.fits", "u/3"), Product("P1-mosaic.fits", "u/4")]
>>> [(c.field, c.image, c.rms) for c in pair_products(rows, Naming())]
[('P1', 'u/4', ''), ('P1+5', 'u/1', 'u/2')]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from mingolotss.errors import ServiceAnswerError
from mingolotss.model import Candidate
from mingolotss.service.base import Naming

__all__ = ["Product", "file_name", "pair_products"]

_LONGEST = 120
_PACKED = re.compile(r"\.(gz|fz)$")


class Product(NamedTuple):
    """One file on offer: its name at the server, and where it can be had."""

    name: str
    url: str


def pair_products(products: Iterable[Product], naming: Naming) -> list[Candidate]:
    """Return a candidate per field, sorted by field.

    Where no name fits the recipe's naming (another survey's server), every product is a
    candidate of its own, called by its name, without an rms map.

    Raises
    ------
    ServiceAnswerError
        For names that are no names: too long, or with characters that do not print.
    """
    rows = sorted(set(products))
    _refuse_odd(rows)
    image_end, rms_end = _end(naming.image), _end(naming.rms)
    images: dict[str, str] = {}
    maps: dict[str, str] = {}
    for name, url in rows:
        bare = _PACKED.sub("", name)
        if rms_end and bare.endswith(rms_end):
            maps.setdefault(bare.removesuffix(rms_end), url)
        elif image_end and bare.endswith(image_end):
            images.setdefault(bare.removesuffix(image_end), url)
    wanted = {field for field in images if not field.endswith(naming.ignore)}
    if not images and not maps:
        images = {_PACKED.sub("", name).removesuffix(".fits"): url for name, url in rows}
        wanted = set(images)
    pairs = [
        Candidate(_field(field), images[field], maps.get(field, "")) for field in sorted(wanted)
    ]
    return sorted(pairs, key=lambda candidate: candidate.field)


def file_name(url: str) -> str:
    """Return the name of the file that an address stands for.

    >>> file_name("http://x/getproduct/a/P1_5-mosaic.fits?ra=1")
    'P1_5-mosaic.fits'
    >>> file_name("http://x/dlget?ID=ivo%3A//x/~%3Fa/P1_5-mosaic.fits&CIRCLE=1")
    'P1_5-mosaic.fits'
    """
    parts = urlsplit(url)
    name = unquote(parts.path).rpartition("/")[2]
    for value in parse_qs(parts.query).get("ID", []):
        name = re.split(r"[/?#]", value)[-1]
    return name


def _end(template: str) -> str:
    """Return what follows the field in a file name, "" if names have no field."""
    return template.rpartition("{field}")[2] if "{field}" in template else ""


def _field(name: str) -> str:
    """Return a field as the survey writes it: archives write ``_`` for ``+``."""
    return name.replace("_", "+")


def _refuse_odd(rows: list[Product]) -> None:
    for name, url in rows:
        if not name or len(name) > _LONGEST or not name.isprintable():
            message = f"read the list of files: {name[:60]!r} is no usable file name"
            raise ServiceAnswerError(message, url=url)
