"""Every name becomes a file name that every disk and every reader takes, and no two become one."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mingolotss.io.file_names import (
    MAX_FILE_NAME,
    MAX_SAFE_NAME,
    format_file_name,
    is_file_name,
    safe_name,
)
from mingolotss.io.files import TEMPORARY_PREFIX, write_files
from named_builds import HOSTILE

ANY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
TRICKY = st.text("aA.~ %/\\\n\u00e9\u0301\u540d0f", min_size=1, max_size=40)
LONG = st.builds("".join, st.lists(ANY, min_size=10, max_size=40))
NAMES = ANY | TRICKY | LONG


@given(NAMES, NAMES)
@example("\u540d" * 80, "\u540d" * 81)
@example("L" * 300, "L" * 299 + "l")
@example("~" + "0" * 16, "%7E" + "0" * 16)
def test_safe_names_are_one_component_and_no_two_the_same(one, other):
    """No name leaves its folder, is hidden or too long, or equals another one."""
    safe = safe_name(one)
    assert re.fullmatch(r"[A-Za-z0-9_.~+ =@,()%-]+", safe)
    assert not safe.startswith((".", TEMPORARY_PREFIX))
    assert not safe.endswith((".", " "))
    assert len(safe) <= MAX_SAFE_NAME
    assert (safe_name(other) == safe) == (one == other)


@given(NAMES, ANY, NAMES)
def test_file_names_fit_on_a_disk_and_keep_sources_apart(source, field, other):
    """A long name is shortened, its suffix stays, and two sources of a field stay two files."""
    template = "{source}_{field}-mosaic-rms.fits"
    name = format_file_name(template, source=source, field=field)
    assert len(name.encode()) <= MAX_FILE_NAME
    assert name.endswith("-mosaic-rms.fits")
    assert is_file_name(name)
    assert (format_file_name(template, source=other, field=field) == name) == (source == other)


def test_a_long_field_is_shortened_too():
    """The source keeps its name if the field alone is too long."""
    name = format_file_name("{source}_{field}.png", source="J1.5", field="P" * 500)
    assert len(name) == MAX_FILE_NAME
    assert re.fullmatch(r"J1\.5_P+~[0-9a-f]{16}\.png", name)
    both = format_file_name("{source}_{field}.png", source="S" * 500, field="P" * 500)
    assert len(both) == MAX_FILE_NAME
    assert re.fullmatch(r"S{100}S*~[0-9a-f]{16}_P{100}P*~[0-9a-f]{16}\.png", both)
    only = format_file_name("{source}.png", source="S" * 236, field="P" * 500)
    assert only == "S" * 236 + ".png"


@pytest.mark.parametrize("rest", ["_{field}.png", "_{field}-mosaic-rms.fits", ".png"])
def test_a_shortened_source_is_the_same_in_every_file(rest):
    """Its image, its rms map and its stamp begin with the same letters, those of `safe_name`."""
    for source in ("S" * 300, "\u540d" * 80, "a/" * 200):
        name = format_file_name("{source}" + rest, source=source, field="P164+55")
        assert name == safe_name(source) + rest.format(field="P164+55")


def test_a_character_is_not_cut_in_its_middle():
    """The beginning of a shortened name can be read."""
    beginning = safe_name("\u540d" * 80).partition("~")[0]
    assert re.fullmatch("(%E5%90%8D)+", beginning)


@pytest.mark.parametrize(
    "name",
    [
        "CON", "con", "PRN", "AUX", "NUL", "COM0", "com9", "LPT1", "nul.tar.gz", "NUL .txt",
        "COM1.png", "Aux.", "prn ", "CONIN$", "COM\u00b9",
    ],
)  # fmt: skip
def test_no_name_is_a_device_of_windows(name):
    """The names that Windows reserves, with any suffix (Microsoft, "Naming Files")."""
    safe = safe_name(name)
    stem = safe.partition(".")[0].rstrip().upper()
    assert stem not in {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    assert not re.fullmatch("(COM|LPT)[0-9\u00b9\u00b2\u00b3]", stem)


@pytest.mark.parametrize("name", ["CONSTELLATION", "NULL", "COM10", "aux_1", "ACON", "J.CON"])
def test_a_name_that_only_resembles_a_device_is_kept(name):
    """Only the whole name before the first dot is reserved."""
    assert safe_name(name) == name


def test_hostile_names_are_files_side_by_side(tmp_path):
    """All of them are written into one folder, also on a disk that compares normal forms."""
    files = {format_file_name("{source}_{field}.png", source=n, field="P1"): n for n in HOSTILE}
    assert len(files) == len(HOSTILE)
    write_files(tmp_path, [(file, name.encode()) for file, name in files.items()])
    contents = {path.name: path.read_bytes().decode() for path in tmp_path.iterdir()}
    assert contents == files
    for form in ("NFC", "NFD", "NFKC"):
        assert {unicodedata.normalize(form, file) for file in files} == set(files)
    assert all(is_file_name(file) for file in files)


@pytest.mark.parametrize(
    "name", ["", ".x", "x.", "x ", "a/b", "50%", "%e5.png", "NUL.png", "\u540d"]
)
def test_other_names_are_no_file_names(name):
    """A name from elsewhere that this rule cannot have made is encoded before it is used."""
    assert not is_file_name(name)


def test_usual_names_are_kept():
    """Source names of the catalogues are used unchanged."""
    for name in ("ILTJ104416.22+524037.3", "P164+55", "A_b-c.d", "NGC 1275", "J1~", "3C 41"):
        assert safe_name(name) == name
        assert is_file_name(name)
    template = "{source}_{field}-mosaic.fits"
    usual = format_file_name(template, source="ILTJ104416.22+524037.3", field="P164+55")
    assert usual == "ILTJ104416.22+524037.3_P164+55-mosaic.fits"
