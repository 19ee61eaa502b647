"""Which source a file belongs to: exact spellings, other spellings, and ambiguous ones."""

from __future__ import annotations

import pytest

from mingolotss.service.fits_names import split_suffix
from mingolotss.service.local.source_names import SourceNames

NAMES = ["A", "A_1", "A_1_P1", "B+5", "B-5", "B"]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("A_P1-mosaic.fits", ("A", "P1")),
        ("A_1_P1-mosaic.fits", ("A_1", "P1")),
        ("A_1_P1_P2-mosaic.fits", ("A_1_P1", "P2")),
        ("A_1_P164_55-mosaic.fits", ("A_1", "P164+55")),
        ("A_P164+55-mosaic.fits", ("A", "P164+55")),
        ("B+5_P1-mosaic.fits.gz", ("B+5", "P1")),
        ("B-5_P1-mosaic.fits.fz", ("B-5", "P1")),
        ("C_P1-mosaic.fits", None),
        ("A_P1-mosaic-rms.fits", None),
        ("AP1-mosaic.fits", None),
    ],
)
def test_a_file_belongs_to_the_longest_name_that_fits(file, expected):
    """Names that begin with each other, and ``_`` in names and fields, are told apart."""
    name, owners = split_suffix(file), None
    if name.stem.endswith("-mosaic"):
        owners = SourceNames(NAMES).find(name.stem.removesuffix("-mosaic"), "_")
    found = owners and (owners.spelling, owners.field.replace("_", "+"))
    assert found == expected
    assert owners is None or (owners.is_exact and NAMES[owners.rows[0]] == owners.spelling)
