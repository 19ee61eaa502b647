"""The files that a server lists, as candidates: each image with the rms map of its field.

A response lists all products of a field: ``P164_55-mosaic.fits``, its rms map ``-mosaic-rms.fits``,
and three that are not needed (``-low-mosaic``, ``-residual-mosaic``, ``-low-residual-mosaic``).
Image and rms map belong together if the whole name of the field is the same. Images of one name in
two folders of the server are kept apart, each with the rms map of its folder.

>>> products = [Product("P1_5-mosaic.fits", "u/1"), Product("P1_5-mosaic-rms.fits", "u/2"),
...             Product("P1_5-low-mosaic.fits", "u/3"), Product("P1-mosaic.fits", "u/4")]
>>> [(c.field, c.image, c.rms) for c in pair_products(products, Naming())]
[('P1', 'u/4', ''), ('P1+5', 'u/1', 'u/2')]
>>> products = [Product("T1-mosaic.fits", f"u/{epoch}/T1-mosaic.fits") for epoch in ("e1", "e2")]
>>> [(c.field, c.image) for c in pair_products(products, Naming())]
[('e1/T1', 'u/e1/T1-mosaic.fits'), ('e2/T1', 'u/e2/T1-mosaic.fits')]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mingolotss.errors import ServiceAnswerError
from mingolotss.model import Candidate
from mingolotss.service.base import Naming
from mingolotss.service.fits_names import FitsName, distinct_names, split_suffix
from mingolotss.service.remote.addresses import file_path

__all__ = ["Product", "pair_products"]

_MAX_NAME = 120


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
        A name is empty, too long, or has characters that cannot be printed; or two files cannot be
        told apart.
    """
    unique = sorted(set(products))
    _check_names(unique)
    image_end, rms_end = _after_field(naming.image), _after_field(naming.rms)
    files = [_File(*product, split_suffix(product.name) or FitsName(product.name, "", 0))
             for product in unique]  # fmt: skip
    images: dict[str, list[_File]] = {}
    rms_maps: dict[str, list[_File]] = {}
    for file in files:
        stem = file.parts.stem
        if rms_end and stem.endswith(rms_end):
            rms_maps.setdefault(stem.removesuffix(rms_end), []).append(file)
        elif image_end and stem.endswith(image_end):
            images.setdefault(stem.removesuffix(image_end), []).append(file)
    if not images and not rms_maps:
        for file in files:
            images.setdefault(file.parts.stem, []).append(file)
    else:
        images = {f: own for f, own in images.items() if not f.endswith(naming.ignore)}
    pairs: list[tuple[_File, str]] = []
    spellings: list[list[str]] = []
    for field, of_field in images.items():
        chosen = _one_in_each_folder(of_field)
        for image in chosen:
            rms = _rms_map(image, chosen, _one_in_each_folder(rms_maps.get(field, [])))
            pairs.append((image, rms))
            spellings.append(_spellings(field, image))
    candidates = [
        Candidate(field, image.url, rms)
        for field, (image, rms) in zip(distinct_names(spellings), pairs, strict=True)
    ]
    return sorted(candidates, key=lambda candidate: candidate.field)


class _File(NamedTuple):
    """A product with the parts of its name."""

    name: str
    url: str
    parts: FitsName

    @property
    def folder(self) -> str:
        return file_path(self.url).rpartition("/")[0]


def _one_in_each_folder(files: Sequence[_File]) -> list[_File]:
    """Return the files of one field, one in each folder: a plain one before compressed copies.

    Raises
    ------
    ServiceAnswerError
        Two files in one folder have the same name.
    """
    by_folder: dict[str, list[_File]] = {}
    for file in files:
        by_folder.setdefault(file.folder, []).append(file)
    chosen = []
    for of_folder in by_folder.values():
        best = min(file.parts.rank for file in of_folder)
        first, *others = (file for file in of_folder if file.parts.rank == best)
        if others:
            raise ServiceAnswerError(
                f"two files are called {first.name}: {first.url} and {others[0].url}",
                url=first.url,
            )
        chosen.append(first)
    return chosen


def _rms_map(image: _File, images: Sequence[_File], rms_maps: Sequence[_File]) -> str:
    """Return the address of the rms map of an image, "" if there is none.

    Parameters
    ----------
    image : _File
    images, rms_maps : sequence of _File
        All files of the field, one in each folder.

    Raises
    ------
    ServiceAnswerError
        It is not clear which rms map belongs to the image.
    """
    same_folder = [rms for rms in rms_maps if rms.folder == image.folder]
    if same_folder:
        return same_folder[0].url
    # An archive may keep its rms maps in a folder of their own.
    taken = {other.folder for other in images}
    free = [rms for rms in rms_maps if rms.folder not in taken]
    if not free:
        return ""
    if len(free) > 1:
        addresses = " or ".join(rms.url for rms in free)
        message = f"it is not clear which rms map belongs to {image.url}: {addresses}"
        raise ServiceAnswerError(message, url=image.url)
    if len(images) > 1:
        addresses = " or ".join(other.url for other in images)
        message = f"it is not clear to which image {free[0].url} belongs: {addresses}"
        raise ServiceAnswerError(message, url=image.url)
    return free[0].url


def _spellings(field: str, image: _File) -> list[str]:
    """Return the names of a field, from the usual one to that with the whole path."""
    folders = [folder for folder in image.folder.split("/") if folder]
    with_folders = ["/".join([*folders[i:], field]) for i in range(len(folders) - 1, -1, -1)]
    # archives write _ for the + in the name of a field
    return [field.replace("_", "+"), field, *with_folders]


def _after_field(template: str) -> str:
    """Return what is between field and extension in a file name, "" if names have no field."""
    return template.rpartition("{field}")[2].removesuffix(".fits") if "{field}" in template else ""


def _check_names(products: list[Product]) -> None:
    for name, url in products:
        if not name or len(name) > _MAX_NAME or not name.isprintable():
            message = f"read the list of files: {name[:60]!r} is no usable file name"
            raise ServiceAnswerError(message, url=url)
