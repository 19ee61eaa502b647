"""Any name of a source, class or split goes through every format and comes back as it was."""

from __future__ import annotations

import csv
import subprocess
import tarfile
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import InputError
from mingolotss.formats import FORMATS
from mingolotss.loaders.arrays import load
from mingolotss.pipeline.run import build
from mingolotss.publish.export import export
from mingolotss.qa.compare import compare
from mingolotss.qa.verify import verify
from mingolotss.service.base import open_service
from named_builds import HOSTILE, HOSTILE_CLASSES, build_named, make_recipe, write_mosaic

ALL = [
    pytest.param(name, marks=pytest.mark.readers) if name in ("hdf5", "zarr") else name
    for name in FORMATS
]
SPLITS = ("train", "a/b", "CON")
SPLIT = "stratified:train=0.4,a/b=0.3,CON=0.3,seed=1,reach=0"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_named(tmp_path_factory.mktemp("named"), HOSTILE, HOSTILE_CLASSES)


@pytest.fixture(scope="module")
def truth(built):
    """Image, label and class of each source, from the stamps of the build."""
    arrays = load(built / "stamps")
    rows = zip(arrays.sources, arrays.images, arrays.labels.tolist(), strict=True)
    return {source: (image, label) for source, image, label in rows}


class Exports(dict):
    """The build in every format, made when first asked for."""

    def __init__(self, built, root):
        super().__init__()
        self.built, self.root = built, root

    def __missing__(self, name):
        self[name] = export(self.built, name, self.root / name, split=SPLIT, archive=True).out
        return self[name]


@pytest.fixture(scope="module")
def exports(built, tmp_path_factory):
    return Exports(built, tmp_path_factory.mktemp("exports"))


def manifest(folder):
    """Return the rows of a manifest by image file."""
    rows = pq.read_table(folder / "manifest.parquet").to_pylist()
    return {row["image_file"]: row for row in rows}


def test_a_build_has_every_source(built, truth):
    """None is lost or stops the build; PNG, CSV and batches hold them all."""
    assert set(truth) == set(HOSTILE)
    assert len(manifest(built)) == len(HOSTILE)
    assert {path.name for path in (built / "png").iterdir()} == set(manifest(built))
    assert max(len(path.name) for path in (built / "png").iterdir()) == 240
    with (built / "MingoML.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["Source ID"] for row in csv.DictReader(stream)] == list(HOSTILE)
    assert verify(built).problems == []


@pytest.mark.parametrize("name", ALL)
def test_an_export_verifies_and_gives_true_names(built, exports, truth, name):
    """Sources, classes and splits have the names of the manifest, in the folder and the archive."""
    out = exports[name]
    assert verify(out).problems == []
    assert verify(out.with_name(f"{name}.tar.gz")).problems == []
    arrays, rows = load(out), manifest(out)
    assert arrays.classes == HOSTILE_CLASSES
    assert set(arrays.splits) == set(SPLITS)
    for index, file in enumerate(arrays.filenames):
        image, label = truth[arrays.sources[index]]
        np.testing.assert_array_equal(arrays.images[index], image)
        assert arrays.labels[index] == label
        assert rows[file]["source"] == arrays.sources[index]
        assert rows[file]["split"] == arrays.splits[index]
    for split in SPLITS:
        part = {row["source"] for row in rows.values() if row["split"] == split}
        assert set(load(out, split).sources) == part
    assert compare(built, out).pixels == []


@pytest.mark.parametrize("name", ALL)
def test_every_path_is_good_on_every_disk(exports, name):
    """Components are ASCII, short, visible and not reserved; the archive has these files."""
    out = exports[name]
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    for part in {part for file in files for part in file.split("/")} - {".gitkeep"}:
        assert part.isascii()
        assert part.isprintable()
        assert len(part) <= 240
        assert not set(part) & set('\\:*?"<>|')
        assert not part.startswith(".")
        assert not part.endswith((".", " "))
        assert part.partition(".")[0].rstrip().upper() not in {"CON", "NUL", "AUX", "COM1", "LPT9"}
    folded = {file.lower() for file in files if "/" in file}
    assert len(folded) == len([file for file in files if "/" in file])
    with tarfile.open(f"{out}.tar.gz") as archive:
        assert set(archive.getnames()) == files


def test_checksums_are_those_of_coreutils(exports):
    """``sha256sum -c`` reads the list with all these names."""
    checked = subprocess.run(
        ["sha256sum", "-c", "--quiet", "checksums.sha256"],
        cwd=exports["png"], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_card_shows_names_as_they_are(exports):
    """The table keeps its columns, and no class becomes a tag or a link."""
    text = (exports["parquet"] / "README.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(table) == 1 + len(HOSTILE_CLASSES)
    assert {line.replace("\\|", "").count("|") for line in table} == {len(SPLITS) + 3}
    assert "\n| 3 | x\\|y |" in text
    assert "two lines" in text
    assert "\\<b\\>bold\\</b\\>" in text


NAME = st.one_of(
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
    ),
    st.text("aA._~ %/\\-+", min_size=1, max_size=8),
    st.text("\u00e9\u0301\u540d\U0001f30c", min_size=60, max_size=120),
    st.sampled_from(["con", "NUL.png", "aux ", "..", "train", "x.tar", "manifest.parquet"]),
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    names=st.lists(NAME, min_size=3, max_size=12, unique=True),
    classes=st.lists(NAME, min_size=1, max_size=4, unique=True),
)
def test_random_names_survive(tmp_path_factory, names, classes):
    """Build, export in every format, verify, and read back."""
    folder = tmp_path_factory.mktemp("random")
    built = build_named(folder, names, classes)
    assert verify(built).problems == []
    for name in ("batches", "webdataset", "png", "parquet"):
        out = export(built, name, folder / name, split="k-fold:folds=2,reach=0").out
        assert verify(out).problems == []
        arrays = load(out)
        assert sorted(arrays.sources) == sorted(names)
        assert arrays.classes == tuple(classes)
        assert compare(built, out).pixels == []


class Underscores:
    """The service `mosaics` with "_" in its fields, as a service of a user may have them."""

    def __init__(self, folder):
        self.mosaics = open_service(f"mosaics:{folder}")

    def search(self, position, size):
        candidates = self.mosaics.search(position, size)
        return [replace(one, field=one.field.replace("+", "_")) for one in candidates]

    def cutout(self, candidate, position, size):
        return self.mosaics.cutout(candidate, position, size)


def test_two_images_with_one_name_are_an_error(tmp_path):
    """Source "A" in field "B_C" and source "A_B" in field "C" are not one image."""
    mosaics = tmp_path / "mosaics"
    places = [
        write_mosaic(mosaics / f"{field}-mosaic.fits", 1, ra)
        for field, ra in (("B_C", 180.0), ("C", 190.0))
    ]
    ra, dec = ([getattr(place, axis).deg[0] for place in places] for axis in ("ra", "dec"))
    catalogue = Catalogue.from_columns(["A", "A_B"], ra, dec, labels=[0, 0], classes=["x"])
    options = {"out": tmp_path / "out", "catalogue": catalogue, "service": Underscores(mosaics)}
    with pytest.raises(InputError, match=r"'A' and 'A_B' are both called A_B_C\.png; set stamp"):
        build(make_recipe(), **options)
    assert not (tmp_path / "out" / "checksums.sha256").exists()
    recipe = make_recipe(**{"stamp.name": "{source}.png"})
    assert build(recipe, **options, fresh=True).written == 2
    assert verify(tmp_path / "out").problems == []


def test_a_disk_that_ignores_case_is_an_error_before_anything_is_written(tmp_path, monkeypatch):
    """Sources "a1" and "A1" would be one PNG: the line names both. Other formats hold them."""
    built = build_named(tmp_path / "one", ["a1", "b", "A1"])
    assert {"a1_F+1.png", "A1_F+1.png"} <= {path.name for path in (built / "png").iterdir()}
    monkeypatch.setattr("mingolotss.io.files.is_case_sensitive", lambda _: False)
    with pytest.raises(InputError, match=r"this disk ignores case.*'a1' and 'A1'"):
        build_named(tmp_path / "two", ["a1", "b", "A1"])
    assert not list((tmp_path / "two" / "build").glob("*/*.png"))
    with pytest.raises(InputError, match="'a1' and 'A1' would be one file here"):
        export(built, "png", tmp_path / "png")
    assert not (tmp_path / "png").exists()
    only_tables = build_named(tmp_path / "three", ["a1", "A1"], formats=["parquet"])
    assert verify(only_tables).problems == []
    assert verify(export(only_tables, "webdataset", tmp_path / "shards").out).problems == []
