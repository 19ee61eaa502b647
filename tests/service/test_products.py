"""The files that a server lists: one candidate for each image, whatever the names are."""

from __future__ import annotations

import pytest

from mingolotss.errors import ServiceAnswerError
from mingolotss.service.base import Naming
from mingolotss.service.remote.addresses import file_name
from mingolotss.service.remote.products import Product, pair_products


def paired(*urls: str, naming: Naming | None = None) -> dict[str, tuple[str, str]]:
    """Return image and rms map of each field; addresses without the server."""
    products = [Product(file_name(f"https://x/{url}"), f"https://x/{url}") for url in urls]
    candidates = pair_products(products, naming or Naming())
    assert len({c.field for c in candidates}) == len(candidates)
    return {
        c.field: (c.image.removeprefix("https://x/"), c.rms.removeprefix("https://x/"))
        for c in candidates
    }


@pytest.mark.parametrize(
    ("urls", "fields"),
    [
        # epochs of one field, with the rms map of each
        (["e1/T1-mosaic.fits?c=1", "e2/T1-mosaic.fits?c=1", "e2/T1-mosaic-rms.fits?c=1"],
         {"e1/T1": ("e1/T1-mosaic.fits?c=1", ""),
          "e2/T1": ("e2/T1-mosaic.fits?c=1", "e2/T1-mosaic-rms.fits?c=1")}),
        # folders that differ further up
        (["a/v1/T1-mosaic.fits", "b/v1/T1-mosaic.fits"],
         {"a/v1/T1": ("a/v1/T1-mosaic.fits", ""), "b/v1/T1": ("b/v1/T1-mosaic.fits", "")}),
        # identifiers of SODA
        (["soda?ID=ivo://o/~?r1/T1-mosaic.fits", "soda?ID=ivo://o/~?r2/T1-mosaic.fits"],
         {"r1/T1": ("soda?ID=ivo://o/~?r1/T1-mosaic.fits", ""),
          "r2/T1": ("soda?ID=ivo://o/~?r2/T1-mosaic.fits", "")}),
        # one field spelled with + and one with _
        (["P1+50-mosaic.fits", "P1_50-mosaic.fits", "P1_50-mosaic-rms.fits", "P2_3-mosaic.fits"],
         {"P1+50": ("P1+50-mosaic.fits", ""), "P2+3": ("P2_3-mosaic.fits", ""),
          "P1_50": ("P1_50-mosaic.fits", "P1_50-mosaic-rms.fits")}),
        # rms maps in a folder of their own
        (["img/T1-mosaic.fits", "rms/T1-mosaic-rms.fits"],
         {"T1": ("img/T1-mosaic.fits", "rms/T1-mosaic-rms.fits")}),
        # a plain file goes before its compressed copies, whatever comes first in the list
        (["T1-mosaic.fits.fz", "T1-mosaic.fits.gz", "T1-mosaic.fits", "T2-mosaic.FITS"],
         {"T1": ("T1-mosaic.fits", ""), "T2": ("T2-mosaic.FITS", "")}),
        # another survey, whose names fit no rule
        (["2019/ngc1.fits", "2020/ngc1.fits", "ngc_2.fits.gz"],
         {"2019/ngc1": ("2019/ngc1.fits", ""), "2020/ngc1": ("2020/ngc1.fits", ""),
          "ngc+2": ("ngc_2.fits.gz", "")}),
    ],
)  # fmt: skip
def test_images_of_one_name_are_kept_apart(urls, fields):
    """No image takes the place of another, in any order of the list."""
    assert paired(*urls) == fields
    assert paired(*urls[::-1], *urls) == fields


@pytest.mark.parametrize(
    ("urls", "words"),
    [
        # only the query of the address differs
        (["get/T1-mosaic.fits?id=1", "get/T1-mosaic.fits?id=2"], "two files are called T1-mosaic"),
        # an rms map in neither folder
        (["e1/T1-mosaic.fits", "e2/T1-mosaic.fits", "rms/T1-mosaic-rms.fits"],
         "it is not clear to which image"),
        (["a/T1-mosaic.fits", "r1/T1-mosaic-rms.fits", "r2/T1-mosaic-rms.fits"],
         "it is not clear which rms map"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_told_apart_are_an_error(urls, words):
    """The error has both addresses; nothing is chosen by chance."""
    with pytest.raises(ServiceAnswerError, match=words) as caught:
        paired(*urls)
    assert sum(f"https://x/{url}" in str(caught.value) for url in urls) >= 2
