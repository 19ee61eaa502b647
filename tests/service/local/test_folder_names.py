"""Which file of a folder a source gets, whatever characters are in its name."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from fits_files import put
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import InputError
from mingolotss.io.file_names import safe_name
from mingolotss.service.base import Naming, search_all
from mingolotss.service.local.folder import FolderService, read_cutout


def found(folder: Path, names: list[str], naming: Naming | None = None) -> dict[str, object]:
    """Return for each source the value and field of its images, or the reason why it has none."""
    n = len(names)
    service = FolderService(folder, naming)
    table = search_all(service, Catalogue.from_columns(names, [180.0] * n, [50.0] * n), 0.01)
    return {
        name: {c.field: float(read_cutout(c).image[0, 0]) for c in candidates}
        or service.reason_without_image(name)
        for name, candidates in zip(names, table, strict=True)
    }


NAMES = [
    "3C 273", "[HB89] 0202+319", "IC 10 (core)", "L'Étoile", "Barnard's Star", "50%", "100% sure",
    "a%20b", "Größe", "ζ Pup", "天の川", "M87#2", "J0100:28", "Sgr A*", "?", "A&B", "A;B", "A|B",
    "<b>", "C:\\x", "tab\tx", "..", "...", ".dot", "-v", "--help", "~", "$HOME", "`x`", "{source}",
    "x.fits", "J1_2", "J1", "é", "ﬁ", "😀", "new\nline", '"', "a_", "_a", "_", "a__b",
]  # fmt: skip


@pytest.mark.parametrize("naming", [None, Naming("{source}.fits", "", ())])
@pytest.mark.parametrize("spell", [str, safe_name])
def test_the_file_that_is_called_as_the_source_is_found(tmp_path, naming, spell):
    """Any name that a disk can hold, as it is, and as this program writes it."""
    end = "_P1-mosaic.fits" if naming is None else ".fits"
    for value, name in enumerate(NAMES, 1):
        put(tmp_path / (spell(name) + end), value)
    field = "P1" if naming is None else ""
    assert found(tmp_path, NAMES, naming) == {
        name: {field: value} for value, name in enumerate(NAMES, 1)
    }


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Möbius", unicodedata.normalize("NFD", "Möbius")),
        (unicodedata.normalize("NFD", "Ångström"), unicodedata.normalize("NFC", "Ångström")),
        ("가나", unicodedata.normalize("NFD", "가나")),
        ("Müller", "M%C3%BCller"),
        ("Müller", "Mu%CC%88ller"),
        ("Müller", "M%c3%bcller"),
        ("IC/10", "IC%2F10"),
        ("3C 273", "3C%20273"),
        ("3C 273", "3C_273"),
        ("NGC 1 (a b)", "NGC_1_(a_b)"),
        ("Öst 1", unicodedata.normalize("NFD", "Öst_1")),
    ],
)
def test_other_spellings_of_a_name_are_found(tmp_path, name, file):
    """The other normal form, percent-encoding with any case of digits, underscores for spaces."""
    put(tmp_path / f"{file}_P164_55-mosaic.fits", 7)
    put(tmp_path / f"{file}_P164_55-mosaic-rms.fits", 1)
    assert found(tmp_path, [name, "other"])[name] == {"P164+55": 7}
    service = FolderService(tmp_path)
    [[candidate]] = service.search_all(Catalogue.from_columns([name], [180.0], [50.0]), 0.01)
    assert candidate.rms.endswith("-mosaic-rms.fits")


def test_the_exact_spelling_goes_before_others(tmp_path):
    """Each file goes to the source that is called so; a second spelling is passed over."""
    files = {"A B": 1, "A_B": 2, "a%2Fb": 3, "é": 4, "e\u0301": 5, "x y": 6, "x_y": 7}
    for name, value in files.items():
        put(tmp_path / f"{name}_P1-mosaic.fits", value)
    names = ["A B", "A_B", "a%2Fb", "a/b", "é", "e\u0301", "x y"]
    images = found(tmp_path, names)
    reason = images.pop("a/b")
    assert images == {name: {"P1": files[name]} for name in names if name != "a/b"}
    assert reason.startswith("no file for it: looked for 'a%2Fb_*-mosaic.fits' in ")
    assert "written %2F" in reason
    service = FolderService(tmp_path)
    search_all(service, Catalogue.from_columns(["x y"], [180.0], [50.0]), 0.01)
    assert service.notices() == [
        "passed over 'x_y_P1-mosaic.fits': 'x y_P1-mosaic.fits' has the exact name of the same "
        "source"
    ]


def test_a_folder_that_this_program_wrote_is_read_as_it_was_written(tmp_path):
    """There the file a%2Fb is of a/b, since that of a%2Fb is a%252Fb."""
    for value, name in enumerate(["a/b", "a%2Fb"], 1):
        put(tmp_path / f"{safe_name(name)}_P1-mosaic.fits", value)
    assert found(tmp_path, ["a/b", "a%2Fb"]) == {"a/b": {"P1": 1}, "a%2Fb": {"P1": 2}}


@pytest.mark.parametrize(
    ("files", "names", "ambiguous"),
    [
        # one file that may be of two sources
        (["A_B_C"], ["A B_C", "A_B C"], ["A B_C", "A_B C"]),
        # two files that may both be of one source
        (["3C%20273", "3C_273"], ["3C 273"], ["3C 273"]),
        (["e%CC%81", "%C3%A9"], ["é"], ["é"]),
    ],
)
def test_ambiguous_files_are_named_and_not_used(tmp_path, files, names, ambiguous):
    """Neither is taken by chance: the source is rejected, and the reason names both."""
    for file in files:
        put(tmp_path / f"{file}_P1-mosaic.fits", 1)
    put(tmp_path / "good_P1-mosaic.fits", 2)
    images = found(tmp_path, [*names, "good"])
    assert images.pop("good") == {"P1": 2}
    for name in ambiguous:
        mentioned = files if len(files) > 1 else [*files, *names]
        assert all(word in images[name] for word in mentioned)


def test_files_that_differ_in_their_suffix_only(tmp_path):
    """A plain file goes before its copies; two plain ones of one name are ambiguous."""
    for file, value in {
        "A_P1-mosaic.fits": 1, "A_P1-mosaic.fits.fz": 2, "B_P1-mosaic.FITS": 3,
        "B_P1-mosaic-rms.FITS": 4, "C_P1-mosaic.fits.gz": 5, "C_P1-mosaic.fits.fz": 6,
        "D_P1-mosaic.fits": 7, "D_P1-mosaic.FITS": 8, "E_P1-MOSAIC.FIT": 9,
        "._A_P1-mosaic.fits": 10, ".F_P1-mosaic.fits": 11,
    }.items():  # fmt: skip
        put(tmp_path / file, value)
    images = found(tmp_path, ["A", "B", "C", "D", "E", "F"])
    assert images["D"] == (
        "'D_P1-mosaic.FITS' and 'D_P1-mosaic.fits' may both be its image; rename or remove one"
    )
    assert images["F"].startswith("no file for it")
    assert {name: images[name] for name in "ABCE"} == {
        "A": {"P1": 1}, "B": {"P1": 3}, "C": {"P1": 5}, "E": {"P1": 9}
    }  # fmt: skip
    service = FolderService(tmp_path)
    [[candidate]] = service.search_all(Catalogue.from_columns(["B"], [180.0], [50.0]), 0.01)
    assert Path(candidate.rms).name == "B_P1-mosaic-rms.FITS"
    assert service.notices() == [
        "passed over 'A_P1-mosaic.fits.fz', 'C_P1-mosaic.fits.fz': a compressed copy of a file "
        "that is used"
    ]


def test_fields_that_one_spelling_would_join_are_kept_apart(tmp_path):
    """Of A there are two images, P1+50 and P1_50; of B one, whose ``_`` is the archive's ``+``."""
    put(tmp_path / "A_P1+50-mosaic.fits", 1)
    put(tmp_path / "A_P1_50-mosaic.fits", 2)
    put(tmp_path / "B_P1_50-mosaic.fits", 3)
    assert found(tmp_path, ["A", "B"]) == {"A": {"P1+50": 1, "P1_50": 2}, "B": {"P1+50": 3}}


def test_an_rms_map_is_no_image_of_another_source(tmp_path):
    """Without a field, A-rms.fits may be the rms map of A or the image of A-rms."""
    naming = Naming("{source}.fits", "{source}-rms.fits", ())
    for name, value in {"A": 1, "A-rms": 2, "C-rms": 3}.items():
        put(tmp_path / f"{name}.fits", value)
    images = found(tmp_path, ["A", "A-rms", "C-rms"], naming)
    assert images["A"] == {"": 1}
    assert images["A-rms"] == "'A-rms.fits' is the rms map of another source, 'A'"
    assert images["C-rms"] == {"": 3}


def test_what_is_no_file_is_named_and_does_not_stop_the_others(tmp_path):
    """Folders, broken links, links to themselves, pipes, and names in another encoding."""
    put(tmp_path / "A_P1-mosaic.fits", 1)
    (tmp_path / "B_P1-mosaic.fits").mkdir()
    (tmp_path / "C_P1-mosaic.fits").symlink_to(tmp_path / "nothing")
    (tmp_path / "D_P1-mosaic.fits").symlink_to(tmp_path / "D_P1-mosaic.fits")
    os.mkfifo(tmp_path / "E_P1-mosaic.fits")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller_P1-mosaic.fits")).write_bytes(b"")
    put(tmp_path / "linked" / "G_P1-mosaic.fits", 2)
    (tmp_path / "G_P1-mosaic.fits").symlink_to(tmp_path / "linked" / "G_P1-mosaic.fits")
    service = FolderService(tmp_path)
    names = ["A", "B", "C", "D", "E", "Müller", "G"]
    table = search_all(service, Catalogue.from_columns(names, [180.0] * 7, [50.0] * 7), 0.01)
    assert [len(candidates) for candidates in table] == [1, 0, 0, 0, 0, 0, 1]
    lines = "\n".join(service.notices())
    for words in (
        "'B_P1-mosaic.fits': a folder", "'C_P1-mosaic.fits': a link to a file that does not exist",
        "'D_P1-mosaic.fits': ", "'E_P1-mosaic.fits': not a file",
        "xfcller_P1-mosaic.fits': its name is not valid UTF-8",
    ):  # fmt: skip
        assert words in lines, words


def test_names_without_a_file_are_looked_for_by_all_spellings(tmp_path):
    """The reason gives each spelling once, and the folder."""
    put(tmp_path / "A_P1-mosaic.fits", 1)
    images = found(tmp_path, ["A", "Müller", "3C 273", "B"])
    assert images["Müller"] == (
        "no file for it: looked for 'Müller_*-mosaic.fits' and 'M%C3%BCller_*-mosaic.fits' in "
        f"{tmp_path}"
    )
    assert "'3C 273_*-mosaic.fits' and '3C_273_*-mosaic.fits'" in images["3C 273"]
    assert images["B"] == f"no file for it: looked for 'B_*-mosaic.fits' in {tmp_path}"
    with pytest.raises(InputError, match=r"found 'A_P1-mosaic\.fits', the catalogue begins"):
        found(tmp_path, ["Müller"])
