"""The files that a server lists, as candidates: each image with the rms map of its field.

A response lists all products of a field: ``P164_55-mosaic.fits``, its rms map ``-mosaic-rms.fits``,
and three that are not needed (``-low-mosaic``, ``-residual-mosaic``, ``-low-residual-mosaic``).
Image and rms map belong together if the whole name of the field is the same.

>>> products = [Product("P1_5-mosaic.fits", "u/1"), Product("P1_5-mosaic-rms.fits", "u/2"),
...             Product("P1_5-low-mosaic.fits", "u/3"), Product("P1-mosaic.fits", "u/4")]
>>> [(c.field, c.image, c.rms) for c in pair_products(products, Naming())]
[('P1', 'u/4', ''), ('P1+5', 'u/1', 'u/2')]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from mingolotss.errors import ServiceAnswerError
from mingolotss.model import Candidate
from mingolotss.service.base import Naming

__all__ = ["Product", "pair_products"]

_MAX_NAME = 120
_COMPRESSED = re.compile(r"\.(gz|fz)$")


class Product(NamedTuple):
    """One file that a server lists: its name there, and its address."""

    name: str
    url: str


def pair_products(products: Iterable[Product], naming: Naming) -> list[Candidate]:
    """Return a candidate for each field, sorted by field.

    If no name fits the naming of the recipe (the server of another survey), every product is a
    candidate with its own name and without an rms map.

    Parameters
    ----------
    products : iterable of Product
        Repeated ones count once.
    naming : Naming

    Raises
    ------
    ServiceAnswerError
        A name is empty, too long, or has characters that cannot be printed.
    """
    unique = sorted(set(products))
    _check_names(unique)
    image_end, rms_end = _after_field(naming.image), _after_field(naming.rms)
    images: dict[str, str] = {}
    rms_maps: dict[str, str] = {}
    for name, url in unique:
        plain = _COMPRESSED.sub("", name)
        if rms_end and plain.endswith(rms_end):
            rms_maps.setdefault(plain.removesuffix(rms_end), url)
        elif image_end and plain.endswith(image_end):
            images.setdefault(plain.removesuffix(image_end), url)
    fields = {field for field in images if not field.endswith(naming.ignore)}
    if not images and not rms_maps:
        images = {_COMPRESSED.sub("", name).removesuffix(".fits"): url for name, url in unique}
        fields = set(images)
    candidates = [
        # archives write _ for the + in the name of a field
        Candidate(field.replace("_", "+"), images[field], rms_maps.get(field, ""))
        for field in sorted(fields)
    ]
    return sorted(candidates, key=lambda candidate: candidate.field)


def _after_field(template: str) -> str:
    """Return what follows the field in a file name, "" if names have no field."""
    return template.rpartition("{field}")[2] if "{field}" in template else ""


def _check_names(products: list[Product]) -> None:
    for name, url in products:
        if not name or len(name) > _MAX_NAME or not name.isprintable():
            message = f"read the list of files: {name[:60]!r} is no usable file name"
            raise ServiceAnswerError(message, url=url)
