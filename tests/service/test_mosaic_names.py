"""Which files are mosaics, and how fields with one name are kept apart."""

from __future__ import annotations

import pytest

from mingolotss.service.fits_names import PassedOver
from mingolotss.service.mosaic_names import pair_mosaics


@pytest.mark.parametrize(
    ("files", "fields"),
    [
        # one spelling: the archives' _ is a +
        (["P164_55-mosaic.fits", "P164_55-mosaic-rms.fits"],
         {"P164+55": ("P164_55-mosaic.fits", "P164_55-mosaic-rms.fits")}),
        # two fields that one spelling would join
        (["P3_50-mosaic.fits", "P3+50-mosaic.fits", "P3+50-mosaic-rms.fits"],
         {"P3+50": ("P3+50-mosaic.fits", "P3+50-mosaic-rms.fits"),
          "P3_50": ("P3_50-mosaic.fits", "")}),
        # one name in two folders, and in a folder and below it
        (["2019/T1-mosaic.fits", "2023/T1-mosaic.fits", "2023/T1-mosaic-rms.fits"],
         {"2019/T1": ("2019/T1-mosaic.fits", ""),
          "2023/T1": ("2023/T1-mosaic.fits", "2023/T1-mosaic-rms.fits")}),
        (["T1-mosaic.fits", "old/T1-mosaic.fits"],
         {"T1": ("T1-mosaic.fits", ""), "old/T1": ("old/T1-mosaic.fits", "")}),
        # the two layouts with one field
        (["P1/mosaic-blanked.fits", "P1/mosaic.rms.fits", "P1-mosaic.fits"],
         {"P1-mosaic": ("P1-mosaic.fits", ""),
          "P1/mosaic-blanked": ("P1/mosaic-blanked.fits", "P1/mosaic.rms.fits")}),
        # names that differ in their suffix or in case only, each with its own rms map
        (["P1-mosaic.fits", "P1-mosaic.FITS", "P1-mosaic-rms.FITS"],
         {"P1-mosaic.FITS": ("P1-mosaic.FITS", "P1-mosaic-rms.FITS"),
          "P1-mosaic.fits": ("P1-mosaic.fits", "")}),
        (["p1-mosaic.fits", "P1-mosaic.fits", "p1-mosaic-rms.fits"],
         {"P1": ("P1-mosaic.fits", ""), "p1": ("p1-mosaic.fits", "p1-mosaic-rms.fits")}),
        # upper case throughout; compression of either
        (["P2-MOSAIC.FITS", "P2-MOSAIC-RMS.FITS"],
         {"P2": ("P2-MOSAIC.FITS", "P2-MOSAIC-RMS.FITS")}),
        (["P2-mosaic.fits.fz", "P2-mosaic-rms.fits.gz"],
         {"P2": ("P2-mosaic.fits.fz", "P2-mosaic-rms.fits.gz")}),
        (["P2-mosaic.fits.fz", "P2-mosaic.fits.gz", "P2-mosaic.fit"],
         {"P2": ("P2-mosaic.fit", "")}),
        # names that look like other products
        (["Marlow-mosaic.fits", "low-mosaic.fits", "X-low-mosaic.fits", "X-residual-mosaic.FITS"],
         {"Marlow": ("Marlow-mosaic.fits", ""), "low": ("low-mosaic.fits", "")}),
        # files of other programs
        (["._P1-mosaic.fits", ".P1-mosaic.fits", ".DS_Store", "P1-mosaic.fits~"], {}),
    ],
)  # fmt: skip
def test_every_mosaic_has_a_field_of_its_own(files, fields):
    """No file takes the place of another, whatever becomes of their names."""
    root = "/data/m"
    expected = {
        field: tuple(name and f"{root}/{name}" for name in pair) for field, pair in fields.items()
    }
    assert pair_mosaics([f"{root}/{file}" for file in files], root) == expected
    assert pair_mosaics([f"{root}/{file}" for file in reversed(files)], root) == expected


def test_what_is_passed_over_is_named():
    """Copies, rms maps too many and FITS files with other names; other products are expected."""
    passed_over = PassedOver()
    files = [
        "P1-mosaic.fits", "P1-mosaic.fits.fz", "P1-mosaic.fits.gz", "P2_mosaic.fits",
        "P3/mosaic-blanked.fits", "P3/mosaic.rms.fits", "P3/mosaic-rms.fits", "P1-low-mosaic.fits",
        "P1-low-residual-mosaic.fits", "Mar-low-mosaic.fits", "P1-mosaic-rms.fits",
        "p1-mosaic-rms.fits", "P4/mosaic.rms.fits", "P4/P4-MOSAIC-RMS.FITS.gz",
    ]  # fmt: skip
    pair_mosaics([f"m/{file}" for file in files], "m", passed_over)
    assert passed_over.lines() == [
        "passed over 'P2_mosaic.fits': not named as a mosaic (FIELD-mosaic.fits and "
        "FIELD/mosaic-blanked.fits)",
        "passed over 'P1-mosaic.fits.fz', 'P1-mosaic.fits.gz': a compressed copy of a file that is "
        "used",
        "passed over 'P3/mosaic-rms.fits': another rms map of the same image is used, "
        "P3/mosaic.rms.fits",
        "passed over 'Mar-low-mosaic.fits': named as another product of a mosaic that is not there",
        "passed over 'P4/P4-MOSAIC-RMS.FITS.gz', 'P4/mosaic.rms.fits', 'p1-mosaic-rms.fits': an "
        "rms map without the image of its field",
    ]
