"""One FITS image in: every kind as astropy reads it, and nothing but ImageError for the rest."""

from __future__ import annotations

import gzip
import io
import time

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from mingolotss.errors import ImageError, NoWCSError, TruncatedFileError
from mingolotss.io.fits import MappedFiles, read_image
from mingolotss.sky.fits_header import format_card, join_cards, pad_to_block
from mingolotss.sky.wcs import simple_header

SHAPE = (11, 7)
CARDS = fits.Header.fromstring(simple_header(10, 20, shape=SHAPE, scale_arcsec=1.5).decode())
PIXELS = np.random.default_rng(1).normal(0, 40, SHAPE)


def as_bytes(*hdus):
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream)
    return stream.getvalue()


def primary(data, **cards):
    hdu = fits.PrimaryHDU(data, CARDS.copy())
    hdu.header.update(cards)
    return as_bytes(hdu)


def scaled(kind, scale, zero):
    hdu = fits.PrimaryHDU(PIXELS.copy(), CARDS.copy())
    hdu.scale(kind, bscale=scale, bzero=zero)
    return as_bytes(hdu)


def packed(data, kind, **options):
    return as_bytes(
        fits.PrimaryHDU(), fits.CompImageHDU(data, CARDS.copy(), compression_type=kind, **options)
    )


def card(raw, key, value):
    """Replace the value of a card by another one, valid or not."""
    at = raw.index(key.ljust(8) + b"=")
    return raw[: at + 10] + value.rjust(20)[:20] + raw[at + 30 :]


SINGLE = PIXELS.astype("f4")
KINDS = {
    "float32": primary(SINGLE),
    "float64": primary(PIXELS),
    "nan": primary(np.where(PIXELS > 0, SINGLE, np.nan).astype("f4")),
    "uint8": primary(np.abs(PIXELS).astype("u1")),
    "int16": primary(PIXELS.astype("i2")),
    "int32": primary(PIXELS.astype("i4")),
    "int64": primary(PIXELS.astype("i8")),
    "int8 by BZERO": primary(PIXELS.clip(-128, 127).astype("i1")),
    "uint16 by BZERO": primary(np.abs(PIXELS).astype("u2") + 40000),
    "int16 scaled": scaled("int16", 0.01, 3.0),
    "uint8 scaled": scaled("uint8", 1.5, -120.0),
    "int32 scaled": scaled("int32", 1e-4, 0.1),
    "int16 BLANK": primary(np.where(PIXELS > 0, PIXELS, -99).astype("i2"), BLANK=-99),
    "float32 BSCALE": primary(SINGLE, BSCALE=2.0, BZERO=1.0),
    "four axes": primary(SINGLE[None, None]),
    "an image in an extension": as_bytes(fits.PrimaryHDU(), fits.ImageHDU(SINGLE, CARDS.copy())),
    "after a table": as_bytes(
        fits.PrimaryHDU(),
        fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])]),
        fits.ImageHDU(SINGLE, CARDS.copy()),
    ),
    "rice": packed(PIXELS.astype("i2"), "RICE_1"),
    "rice of floats": packed(SINGLE, "RICE_1", quantize_level=16),
    "gzip tiles": packed(SINGLE, "GZIP_1", quantize_level=0),
    "gzip2 tiles": packed(PIXELS, "GZIP_2", quantize_level=0),
    "a gzip'd file": gzip.compress(primary(SINGLE)),
}


def reference(raw):
    """Return the image as astropy reads it, scaled and blanked, without axes of length 1."""
    stream = io.BytesIO(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    with fits.open(stream) as hdus:
        return np.squeeze(next(hdu.data for hdu in hdus if hdu.is_image and hdu.data is not None))


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_astropy(kind):
    """Every pixel is the one that astropy reads, as a float of sufficient precision."""
    image = read_image(KINDS[kind], path="x.fits")
    expected = reference(KINDS[kind])
    np.testing.assert_array_equal(image.data, expected)
    assert image.data.dtype.kind == "f"
    if expected.dtype.kind == "f":
        assert image.data.dtype == expected.dtype.newbyteorder(image.data.dtype.byteorder)
    ra, dec = image.wcs().to_sky((SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2)
    assert (ra, dec) == pytest.approx((10, 20))


def test_a_file_and_its_content_give_the_same_image(tmp_path):
    """A path and its content give the same image and the same checksum."""
    path = tmp_path / "a.fits"
    path.write_bytes(KINDS["float32"])
    image, same = read_image(path), read_image(KINDS["float32"])
    assert image.sha256 == same.sha256
    assert image.path == str(path)
    np.testing.assert_array_equal(image.data, same.data)


def test_files_that_are_read_together_are_those_that_are_read_alone(tmp_path):
    """Each kind beside each other one has its own pixels, header and checksum."""
    paths = [tmp_path / f"{index}.fits" for index in range(len(KINDS))]
    for path, raw in zip(paths, KINDS.values(), strict=True):
        path.write_bytes(raw)
    alone = [read_image(path) for path in paths]
    for first, one in zip(paths, alone, strict=True):
        pair = zip(MappedFiles([str(first), str(paths[0])]).images(), (one, alone[0]), strict=True)
        for image, expected in pair:
            np.testing.assert_array_equal(image.data, expected.data)
            assert (image.header, image.sha256, image.path) == (
                expected.header, expected.sha256, expected.path,
            )  # fmt: skip


@pytest.mark.parametrize("second", ["absent", "empty", "folder", "html", "link to nothing"])
def test_what_is_wrong_with_a_file_is_raised_when_it_is_its_turn(tmp_path, second):
    """The image before it is read, and what is wrong with that one is said instead."""
    bad, good, html = tmp_path / "bad", tmp_path / "good", tmp_path / "html"
    good.write_bytes(PLAIN)
    html.write_bytes(b"<html>")
    match second:
        case "empty":
            bad.write_bytes(b"")
        case "folder":
            bad.mkdir()
        case "html":
            bad.write_bytes(b"<html>")
        case "link to nothing":
            bad.symlink_to("nothing")
    with pytest.raises(ImageError) as alone:
        read_image(bad)
    images = MappedFiles([str(good), str(bad)]).images()
    assert next(images).sha256 == read_image(good).sha256
    with pytest.raises(type(alone.value)) as together:
        next(images)
    assert str(together.value) == str(alone.value)
    with pytest.raises(ImageError, match="html: an HTML page"):
        next(MappedFiles([str(html), str(bad)]).images())


TABLE = as_bytes(
    fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
)
PLAIN = KINDS["float32"]
HOSTILE = {
    "html": (b"<!DOCTYPE html><p>no", ImageError, "HTML"),
    "html after spaces": (b"\n  <html>", ImageError, "HTML"),
    "xml": (b"<?xml version='1.0'?><VOTABLE/>", ImageError, "XML"),
    "empty": (b"", ImageError, "empty"),
    "junk": (b"junk" * 1000, ImageError, "not a FITS file"),
    "cut in the header": (PLAIN[:700], TruncatedFileError, "header"),
    "cut in the data": (PLAIN[: 2880 + 40], TruncatedFileError, "cut short"),
    "cut after the header": (PLAIN[:2880], TruncatedFileError, "cut short"),
    "cut in scaled data": (KINDS["int16 scaled"][: 2880 + 40], TruncatedFileError, ""),
    "cut in packed data": (KINDS["rice"][:-5700], ImageError, ""),
    "cut gzip": (KINDS["a gzip'd file"][:-30], TruncatedFileError, "gzip"),
    "one axis": (as_bytes(fits.PrimaryHDU(np.ones(9, "f4"))), ImageError, "without an image"),
    "no axis": (as_bytes(fits.PrimaryHDU()), ImageError, "without an image"),
    "one pixel": (as_bytes(fits.PrimaryHDU(np.ones((1, 1), "f4"))), ImageError, "1 x 1"),
    "one column": (as_bytes(fits.PrimaryHDU(np.ones((9, 1), "f4"))), ImageError, "1 x 9"),
    "a cube": (as_bytes(fits.PrimaryHDU(np.ones((3, 9, 9), "f4"))), ImageError, "one plane"),
    "a table alone": (TABLE, ImageError, "without an image"),
    "NAXIS of 2e9": (card(PLAIN, b"NAXIS", b"2000000000"), ImageError, ""),
    "NAXIS of text": (card(PLAIN, b"NAXIS", b"'two'"), ImageError, ""),
    "NAXIS below zero": (card(PLAIN, b"NAXIS", b"-2"), ImageError, ""),
    "NAXIS1 of 1e9": (card(PLAIN, b"NAXIS1", b"1000000000"), TruncatedFileError, ""),
    "NAXIS1 of 1e20": (card(PLAIN, b"NAXIS1", b"100000000000000000000"), ImageError, ""),
    "NAXIS1 below zero": (card(PLAIN, b"NAXIS1", b"-9"), ImageError, ""),
    "BITPIX of 7": (card(PLAIN, b"BITPIX", b"7"), ImageError, ""),
    "BSCALE of text": (card(KINDS["float32 BSCALE"], b"BSCALE", b"'x'"), ImageError, ""),
    "a packed bomb": (card(KINDS["rice"], b"ZNAXIS1", b"90000000"), ImageError, ""),
    "a header of non-ASCII": (card(PLAIN, b"BITPIX", b"\xff\xfe"), ImageError, ""),
    "axes of a table": (card(TABLE, b"TFIELDS", b"99999999"), ImageError, ""),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_unusable_file_is_an_error_of_one_line(what):
    """The ImageError names the file and says what it is."""
    raw, kind, words = HOSTILE[what]
    with pytest.raises(kind) as caught:
        read_image(raw, path="bad.fits")
    message = str(caught.value)
    assert "\n" not in message
    assert "bad.fits" in message
    assert words in message
    assert caught.value.path == "bad.fits"


def test_only_an_image_that_ends_early_is_truncated(monkeypatch):
    """An image over the limit or without pixels is complete: another download does not help."""
    raw = KINDS["int16 scaled"]
    with pytest.raises(ImageError, match=f"{SHAPE[1]} x 0 has no pixels") as caught:
        read_image(card(raw[:2880], b"NAXIS2", b"0"), path="x.fits")
    assert not isinstance(caught.value, TruncatedFileError)
    with pytest.raises(TruncatedFileError, match="fetch it again"):
        read_image(raw[: 2880 + 40], path="x.fits")
    monkeypatch.setattr("mingolotss.io.fits_pixels._MAX_BYTES", 100)
    for kind in ("int16 scaled", "rice"):
        with pytest.raises(ImageError, match="over the limit of 100 bytes") as caught:
            read_image(KINDS[kind], path="x.fits")
        assert not isinstance(caught.value, TruncatedFileError)
    assert read_image(KINDS["float32"]).data.nbytes > 100  # a view, which costs no memory


def test_a_missing_file_and_a_folder_are_image_errors(tmp_path):
    """The ImageError has the reason of the operating system."""
    with pytest.raises(ImageError, match="No such file"):
        read_image(tmp_path / "no.fits")
    with pytest.raises(ImageError, match="directory"):
        read_image(tmp_path)


@pytest.mark.parametrize(
    ("cards", "words"),
    [({}, "no WCS"), ({"CTYPE1": "FREQ", "CTYPE2": "STOKES"}, "no RA and DEC")],
)
def test_a_header_without_wcs_is_a_nowcs_error(cards, words):
    """The pixels can be read; the error for the WCS says what is missing."""
    hdu = fits.PrimaryHDU(SINGLE)
    hdu.header.update(cards)
    image = read_image(as_bytes(hdu), path="x.fits")
    with pytest.raises(NoWCSError, match=words) as caught:
        image.wcs()
    assert caught.value.path == "x.fits"


def test_an_unusual_bscale_is_read_by_astropy():
    """BSCALE written as FITS allows and Python does not (1.0D0) is still 1."""
    raw = card(primary(SINGLE, BSCALE=1.0), b"BSCALE", b"1.0D0")
    np.testing.assert_array_equal(read_image(raw).data, SINGLE)
    raw = card(primary(SINGLE, BSCALE=1.0), b"BSCALE", b"2.0D0")
    np.testing.assert_array_equal(read_image(raw).data, SINGLE * 2)


@pytest.mark.slow
@settings(max_examples=400, derandomize=True)
@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 255) | st.sampled_from(b"0123456789 -=/'.TF")),
        max_size=6,
    ),
    st.floats(0, 1) | st.none(),
    st.booleans(),
)
def test_damage_gives_an_image_or_an_image_error(kind, changes, cut, early):
    """After any damage, the result is an image of two axes or an error of one line."""
    raw = bytearray(KINDS[kind])
    reach = min(len(raw), 2880 if early else 3 * 2880)
    for where, value in changes:
        raw[int(where * (reach - 1))] = value
    if cut is not None:
        del raw[int(cut * len(raw)) :]
    try:
        image = read_image(bytes(raw), path="x.fits")
        image.wcs()
    except ImageError as error:
        message = str(error)
    else:
        message = f"{image.data.ndim} axes of {image.data.dtype.kind}"
    assert message == "2 axes of f" or (message.startswith("read x.fits: ") or "header" in message)
    assert "\n" not in message


def unit(*cards):
    """Return the header of an HDU."""
    return pad_to_block(join_cards([format_card(key, value) for key, value in cards]), b" ")


def axes(n, length):
    return [("BITPIX", -32), ("NAXIS", n), *((f"NAXIS{i}", length) for i in range(1, n + 1))]


EMPTY = unit(("SIMPLE", "T"), ("BITPIX", 8), ("NAXIS", 0))
TABLE_UNIT = [("XTENSION", "'BINTABLE'"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 8)]
STRUCTURES = {
    "999 axes of an image": unit(("SIMPLE", "T"), *axes(999, 10**19)),
    "999 axes of a table": EMPTY + unit(("XTENSION", "'TABLE'"), *axes(999, 10**19)),
    "lengths of 60 digits": unit(("SIMPLE", "T"), *axes(2, int("9" * 60))),
    "BITPIX of 30 digits": unit(
        ("SIMPLE", "T"), ("BITPIX", -(10**30)), ("NAXIS", 1), ("NAXIS1", 9)
    ),
    "PCOUNT below zero": EMPTY + unit(*TABLE_UNIT, ("NAXIS2", 4), ("PCOUNT", -(10**6))),
    "GCOUNT below zero": EMPTY + unit(*TABLE_UNIT, ("NAXIS2", 4), ("GCOUNT", -7)),
    "rows below zero": EMPTY + unit(*TABLE_UNIT, ("NAXIS2", -4)) * 3,
    "groups below zero": unit(("SIMPLE", "T"), *axes(1, 0), ("GROUPS", "T"), ("GCOUNT", -9)),
    "100,000 units": EMPTY + unit(("XTENSION", "'TABLE'"), ("BITPIX", 8), ("NAXIS", 0)) * 100_000,
}


@pytest.mark.parametrize("kind", STRUCTURES)
def test_no_structure_loops_or_has_a_message_of_pages(kind):
    began = time.process_time()
    with pytest.raises(ImageError) as caught:
        read_image(STRUCTURES[kind], path="x.fits")
    assert time.process_time() - began < 10
    assert str(caught.value).startswith("read x.fits: ")
    assert len(str(caught.value)) < 250
