"""Any name of a source, class or split goes through every format and comes back as it was."""

from __future__ import annotations

import csv
import subprocess
import tarfile
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from format_names import PLAIN_FORMATS
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.splits import SplitPlan
from mingolotss.errors import InputError
from mingolotss.loaders.arrays import load
from mingolotss.pipeline.exporting import export
from mingolotss.pipeline.run import build
from mingolotss.qa.compare import compare
from mingolotss.qa.verify import verify
from mingolotss.service.base import open_service
from named_builds import HOSTILE, HOSTILE_CLASSES, build_named, make_recipe, write_mosaic

pytestmark = pytest.mark.slow  # together they take long

ALL = [
    pytest.param(name, marks=pytest.mark.readers) if name in ("hdf5", "zarr") else name
    for name in PLAIN_FORMATS
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
    assert max(len(path.name) for path in (built / "png").iterdir()) <= 240
    with (built / "MingoML.csv").open(encoding="utf-8", newline="") as stream:
        names = [row["Source ID"] for row in csv.DictReader(stream)]
    # No name is a formula for a spreadsheet.
    assert names == [f"'{name}" if name[0] in "=+-@" else name for name in HOSTILE]
    assert {"'=1+1", "'-rf"} <= set(names)
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
        if name != "fits":  # the brightness; `compare` makes its stamps below
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
    for part in {part for file in files for part in file.split("/")} - {".gitkeep", ".zenodo.json"}:
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


def check_images(images, truth):
    """Check image and label of every source; `images` gives them by the true name."""
    assert set(images) == set(truth)
    for source, (image, label) in images.items():
        np.testing.assert_array_equal(np.asarray(image), truth[source][0])
        assert label == truth[source][1]


@pytest.mark.readers
def test_webdataset_gives_true_names(exports, truth):
    """The key is a number, so that dots of a name cut nothing; the metadata has the name."""
    webdataset = pytest.importorskip("webdataset", reason="needs the group readers")
    shards = sorted(str(path) for path in exports["webdataset"].glob("*.tar"))
    samples = webdataset.WebDataset(shards, shardshuffle=False).decode("pil")
    images = {one["json"]["source"]: (one["png"].convert("L"), one["cls"]) for one in samples}
    check_images(images, truth)


@pytest.mark.readers
def test_h5py_and_zarr_give_true_names(exports, truth):
    """Names are values there, and no path or key."""
    h5py = pytest.importorskip("h5py", reason="needs the group readers")
    zarr = pytest.importorskip("zarr", reason="needs the group readers")
    with h5py.File(exports["hdf5"] / "named.h5") as file:
        names = [name.decode() for name in file["source"][:]]
        pairs = zip(file["images"][:], file["labels"][:].tolist(), strict=True)
        check_images(dict(zip(names, pairs, strict=True)), truth)
        assert tuple(file.attrs["classes"]) == HOSTILE_CLASSES
    group = zarr.open_group(exports["zarr"] / "named.zarr", mode="r")
    pairs = zip(group["images"][:], group["labels"][:].tolist(), strict=True)
    check_images(dict(zip(group.attrs["source"], pairs, strict=True)), truth)
    assert tuple(group.attrs["classes"]) == HOSTILE_CLASSES


@pytest.mark.readers
@pytest.mark.parametrize("name", ["parquet", "png"])
def test_hugging_face_gives_every_split_and_name(exports, truth, tmp_path, monkeypatch, name):
    """No split is passed over; the path of an image is its name in the manifest."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    loaded = datasets.load_dataset(str(exports[name]), cache_dir=str(tmp_path))
    assert set(loaded) == {"train", "a_b", "CON"}
    rows, images = manifest(exports[name]), {}
    for part in loaded.values():
        paths = part.cast_column("image", datasets.Image(decode=False))
        for row, encoded in zip(part, paths, strict=True):
            file = encoded["image"]["path"].rpartition("/")[2]
            images[rows[file]["source"]] = row["image"], row["label"]
    check_images(images, truth)


@pytest.mark.readers
@pytest.mark.parametrize("name", ALL)
def test_croissant_gives_true_names(exports, truth, name):
    """Its own validator finds no error, and its records have every source."""
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the group readers")
    dataset = mlcroissant.Dataset(str(exports[name] / "croissant.json"))
    assert list(dataset.metadata.issues.errors) == []
    assert {row["records/source"].decode() for row in dataset.records("records")} == set(truth)


@pytest.mark.readers
def test_torchvision_gives_true_names(exports, truth):
    """Through the manifest, which has the source of every file."""
    torchvision = pytest.importorskip("torchvision", reason="needs torchvision")
    rows, images = manifest(exports["png"]), {}
    for split in ("train", "a%2Fb", "%43ON"):
        folder = exports["png"] / split
        dataset = torchvision.datasets.ImageFolder(str(folder), allow_empty=True)
        for path, label in dataset.samples:
            images[rows[path.rpartition("/")[2]]["source"]] = Image.open(path), label
    check_images(images, truth)


@pytest.mark.readers
def test_splits_with_one_beginning_stay_apart(tmp_path, monkeypatch):
    """The files of "val" are not those of "val-1", nor "no" a number or a boolean of YAML."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    built = build_named(tmp_path, [f"S{n}" for n in range(10)])
    plan = "stratified:val=0.2,val-1=0.2,val_1=0.2,no=0.2,7=0.2,reach=0"
    for name in ("parquet", "png"):
        out = export(built, name, tmp_path / name, split=plan).out
        loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache" / name))
        sizes = {split: len(part) for split, part in loaded.items()}
        assert sizes == {"val": 2, "val_1": 2, "val_1_": 2, "no": 2, "7": 2}


@pytest.mark.readers
def test_nul_is_an_error_of_one_line_for_hdf5(tmp_path):
    """The other formats hold it."""
    pytest.importorskip("h5py", reason="needs the group readers")
    built = build_named(tmp_path, ["A\0B", "C"])
    with pytest.raises(InputError, match=r"as hdf5: 'A\\x00B' contains a NUL character"):
        export(built, "hdf5", tmp_path / "hdf5")
    for name in ("webdataset", "parquet", "batches", "png"):
        out = export(built, name, tmp_path / name).out
        assert verify(out).problems == []
        assert sorted(load(out).sources) == ["A\0B", "C"]


@pytest.mark.parametrize("name", ["all", "not x", "a+b", "", "Train", "TRAIN"])
def test_names_that_no_split_can_have(built, tmp_path, name):
    """Those that `load` reads as a selection, and those that are one folder on some disks."""
    with pytest.raises(InputError, match=r"^split: "):
        export(built, "png", tmp_path / "out", split=f"stratified:train=0.5,{name}=0.5")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["manifest.parquet", "classes.json", "readme.md"])
def test_a_split_called_like_a_file_of_the_export(built, tmp_path, name):
    """Its folder cannot stand where the file does; the other formats have no such folder."""
    plan = f"stratified:train=0.5,{name}=0.5,reach=0"
    with pytest.raises(InputError, match=f"the split '{name}' is called like a file"):
        export(built, "png", tmp_path / "png", split=plan)
    for other in ("webdataset", "parquet", "batches"):
        out = export(built, other, tmp_path / other, split=plan).out
        assert verify(out).problems == []
        assert set(load(out).splits) == {"train", name}


@pytest.mark.parametrize("train", [1, 2, 7])
def test_few_images_and_few_batches(tmp_path, train):
    """A build with any number of batches, and a split of less than five images, become batches."""
    changes = {"batches.train": train, "batches.rows": 1, "batches.of": train + 1}
    built = build_named(tmp_path, [f"S{n}" for n in range(2 * train + 2)], **changes)
    published = export(built, "batches", tmp_path / "published").out
    for path in (built / "mingo-batches-py").iterdir():
        assert (published / "mingo-batches-py" / path.name).read_bytes() == path.read_bytes()
    few = export(
        built, "batches", tmp_path / "few", split="stratified:train=0.5,test=0.5,reach=0"
    ).out
    assert verify(few).problems == []
    assert sorted(load(few).sources) == sorted(load(built).sources)


NAME = st.one_of(
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
    ),
    st.text("aA._~ %/\\-+", min_size=1, max_size=8),
    st.text("\u00e9\u0301\u540d\U0001f30c", min_size=60, max_size=120),
    st.sampled_from(["con", "NUL.png", "aux ", "..", "train", "x.tar", "manifest.parquet"]),
)


NAMES = st.lists(NAME, min_size=3, max_size=12, unique=True)
CLASSES = st.lists(NAME, min_size=1, max_size=4, unique=True)
SPLIT_NAME = NAME.map(str.strip).filter(
    lambda name: (
        name.lower() not in ("", "all", "train", "manifest.parquet")
        and name.isprintable()
        and not name.startswith("not ")
        and not set(name) & set(",=+")
    )
)
FEW = settings(max_examples=8)


def check_random(folder, names, classes, split, formats):
    """Build, export in each format, verify, and read back; also from one export to the next."""
    built = build_named(folder, names, classes)
    assert verify(built).problems == []
    plan = SplitPlan("stratified", {"train": 0.5, split: 0.5}, reach_arcsec=0)
    start = built
    for name in formats:
        out = export(start, name, folder / name, split=plan).out
        assert verify(out).problems == []
        arrays = load(out)
        assert sorted(arrays.sources) == sorted(names)
        assert arrays.classes == tuple(classes)
        assert set(arrays.splits) <= {"train", split}
        assert compare(built, out).pixels == []
        start = out if name == "parquet" else start


@FEW
@given(names=NAMES, classes=CLASSES, split=SPLIT_NAME)
def test_random_names_survive(tmp_path_factory, names, classes, split):
    """Whatever a catalogue calls its sources and classes, and a user the splits."""
    folder = tmp_path_factory.mktemp("random")
    check_random(folder, names, classes, split, ("parquet", "batches", "webdataset", "png"))


@pytest.mark.readers
@FEW
@given(names=NAMES, classes=CLASSES, split=SPLIT_NAME)
def test_random_names_survive_in_containers(tmp_path_factory, names, classes, split):
    """HDF5 and Zarr keep them as values."""
    folder = tmp_path_factory.mktemp("random")
    check_random(folder, names, classes, split, ("hdf5", "zarr"))


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
