"""The rules for names of FITS files: suffixes, copies, equal names, and what is passed over."""

from __future__ import annotations

import pytest

from mingolotss.service.fits_names import (
    PassedOver,
    distinct_names,
    preferred_files,
    split_suffix,
    unread_suffix,
)


@pytest.mark.parametrize(
    ("name", "stem", "rank"),
    [
        ("P1-mosaic.fits", "P1-mosaic", 0),
        ("P1-mosaic.FITS", "P1-mosaic", 0),
        ("P1-mosaic.Fit", "P1-mosaic", 0),
        ("P1-mosaic.fts", "P1-mosaic", 0),
        ("P1-mosaic.fits.gz", "P1-mosaic", 1),
        ("P1-MOSAIC.FITS.GZ", "P1-MOSAIC", 1),
        ("P1-mosaic.fits.fz", "P1-mosaic", 2),
        ("end..fits", "end.", 0),
        ("x.fits.fits", "x.fits", 0),
    ],
)
def test_fits_files_are_known_by_every_suffix_in_use(name, stem, rank):
    """``.fits``, ``.fit`` and ``.fts`` (RFC 4047), in either case, plain, gzip'd or fpack'd."""
    parts = split_suffix(name)
    assert (parts.stem, parts.rank) == (stem, rank)
    assert parts.stem + parts.suffix == name
    assert unread_suffix(name) == ""


@pytest.mark.parametrize(
    "name", ["fits", "P1.fits~", "P1.fits.md5", "P1.fitsx", "P1.gz", "P1-mosaic-fits", "P1.fits "]
)
def test_other_files_are_no_fits_files(name):
    """Backups, checksums and other names are neither read nor named."""
    assert split_suffix(name) is None
    assert unread_suffix(name) == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("P1-mosaic.fits.bz2", "compressed with bz2"),
        ("P1-mosaic.FITS.Z", "compressed with z"),
        ("P1-mosaic.fits.zip", "compressed with zip"),
        ("P1-mosaic.fits.fz.gz", "compressed twice"),
        ("P1-mosaic.fits.part", "an incomplete download"),
        ("P1-mosaic.fits.crdownload", "an incomplete download"),
    ],
)
def test_a_file_that_is_not_read_for_its_suffix_has_a_reason(name, words):
    """Other compressions and unfinished downloads are named, not forgotten."""
    assert split_suffix(name) is None
    assert words in unread_suffix(name)


def test_a_plain_file_goes_before_gzip_and_gzip_before_fpack():
    """The pixels in fpack may be rounded; those in gzip are not."""
    files = ["a.fits.fz", "a.fits.gz", "a.FITS", "a.fits"]
    parts = [(file, split_suffix(file)) for file in files]
    assert preferred_files(parts[:1]) == (["a.fits.fz"], [])
    assert preferred_files(parts[:2]) == (["a.fits.gz"], ["a.fits.fz"])
    assert preferred_files(parts[:3]) == (["a.FITS"], ["a.fits.gz", "a.fits.fz"])
    assert preferred_files(parts) == (["a.FITS", "a.fits"], ["a.fits.gz", "a.fits.fz"])


@pytest.mark.parametrize(
    ("spellings", "names"),
    [
        ([("A", "A"), ("B", "B")], ["A", "B"]),
        ([("A+1", "A_1"), ("A+1", "A+1")], ["A_1", "A+1"]),
        ([("A+1", "A_1", "x/A_1"), ("A+1", "A_1", "y/A_1")], ["x/A_1", "y/A_1"]),
        ([("A+1", "A_1", "x/A_1"), ("A+1", "A_1", "y/A_1"), ("A+1", "A+1")],
         ["x/A_1", "y/A_1", "A+1"]),
        # the more exact name of the first is the usual name of the third
        ([("A", "C"), ("A", "B"), ("C", "D")], ["C", "B", "D"]),
    ],
)  # fmt: skip
def test_equal_names_are_replaced_by_more_exact_ones(spellings, names):
    """No name stands for two items, also not one that only becomes equal on the way."""
    assert distinct_names(spellings) == names


def test_each_reason_is_one_line_with_a_few_names():
    """Hundreds of files, and names with line breaks, are few lines."""
    passed_over = PassedOver()
    for number in range(800):
        passed_over.add(f"P{number:03d}\n.fits", "a copy")
        passed_over.add("same.fits", "an empty file")
    assert passed_over.lines() == [
        "passed over 'P000\\n.fits', 'P001\\n.fits', 'P002\\n.fits' and 797 more: a copy",
        "passed over 'same.fits': an empty file",
    ]
    for number in range(1500):
        passed_over.add("x.fits", f"reason {number}")
    assert len(passed_over.lines()) == 1001
    assert passed_over.lines()[999] == "passed over 'x.fits': reason 997"
    assert passed_over.lines()[-1] == "passed over other files, for 502 more reasons"
