"""Exports: every format, read back by the library it is for and compared image by image."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from format_names import PLAIN_FORMATS
from mingolotss.errors import DatasetError, InputError
from mingolotss.loaders.arrays import load
from mingolotss.loaders.download import Archive, download
from mingolotss.pipeline.exporting import export
from mingolotss.qa.compare import compare
from mingolotss.qa.verify import verify
from mingolotss.qa.verify_export import is_export
from mingolotss.recipe.load import load_recipe
from mingolotss.sky.neighbours import overlaps
from readers_build import make_build

ALL = [
    pytest.param(name, marks=pytest.mark.readers) if name in ("hdf5", "zarr") else name
    for name in PLAIN_FORMATS
]
SPLIT = "stratified:train=0.6,val=0.2,test=0.2,seed=4"


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    return make_build(tmp_path_factory.mktemp("sky"))


@pytest.fixture(scope="session")
def truth(built):
    """The manifest's written rows, and the pixels of the PNG files, by image file."""
    rows = [row for row in pq.read_table(built / "manifest.parquet").to_pylist() if row["batch"]]
    rows = [row for row in rows if row["status"] == "written"]
    images = {
        row["image_file"]: np.asarray(Image.open(built / "png" / row["image_file"])) for row in rows
    }
    return rows, images


class Exports(dict):
    """Every format in a split of three, made when first asked for."""

    def __init__(self, built, root):
        super().__init__()
        self.built, self.root = built, root

    def __missing__(self, name):
        self[name] = export(self.built, name, self.root / name, split=SPLIT).out
        return self[name]


@pytest.fixture(scope="session")
def exports(built, tmp_path_factory):
    return Exports(built, tmp_path_factory.mktemp("exports"))


def manifest(folder):
    return {
        row["image_file"]: row for row in pq.read_table(folder / "manifest.parquet").to_pylist()
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_our_own_reader_reads_every_format(built, exports, truth, name):
    """Same images, labels, sources and splits; FITS has the brightness that gives the images."""
    _, images = truth
    rows = manifest(exports[name])
    assert rows.keys() == images.keys()
    for split in ("train", "val", "test", "all"):
        got = load(exports[name], split)
        wanted = {key for key, row in rows.items() if split in ("all", row["split"])}
        assert set(got.filenames) == wanted
        assert len(got) == len(wanted) > 0
        assert got.images.dtype == (np.float32 if name == "fits" else np.uint8)
        for index, key in enumerate(got.filenames):
            if name != "fits":
                np.testing.assert_array_equal(got.images[index], images[key])
            row = rows[key]
            assert (got.labels[index], got.splits[index]) == (row["label"], row["split"])
            assert (got.sources[index], got.classes[got.labels[index]]) == (
                row["source"],
                row["class"],
            )
    assert compare(built, exports[name]).pixels == []


@pytest.mark.parametrize("name", ALL)
def test_splits_are_recorded_and_do_not_leak(exports, name):
    """The manifest says how the split was made, and no two that share pixels are apart."""
    table = pq.read_table(exports[name] / "manifest.parquet")
    said = table.schema.metadata
    assert said[b"mingolotss.split_plan"] == SPLIT.encode()
    assert said[b"mingolotss.format"] == name.encode()
    pairs = overlaps(table["ra"], table["dec"], 225)
    split = np.array(table["split"].to_pylist())
    assert len(pairs) > 5
    assert (split[pairs[:, 0]] == split[pairs[:, 1]]).all()


@pytest.mark.parametrize("name", ALL)
def test_an_export_checks_out_and_a_changed_one_does_not(exports, tmp_path, name):
    """It finds a changed byte, a missing file, and one that is too many."""
    assert is_export(exports[name])
    intact = verify(exports[name])
    assert (intact.images, intact.problems) == (59, [])
    copy = tmp_path / name
    shutil.copytree(exports[name], copy)
    files = [p for p in copy.rglob("*") if p.is_file() and p.name != "manifest.parquet"]
    largest = max(files, key=lambda p: p.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 255
    largest.write_bytes(bytes(content))
    (copy / "README.md").unlink()
    (copy / "more").write_text("x")
    text = "\n".join(verify(copy).problems)
    assert f"{largest.relative_to(copy)}: its checksum" in text
    assert "README.md: missing" in text
    assert "more: not listed" in text
    assert intact.files == len(list(exports[name].rglob("*"))) - sum(
        p.is_dir() for p in exports[name].rglob("*")
    ) - 1  # fmt: skip


def test_labels_swapped_behind_the_checksums_are_found(exports, tmp_path):
    """Someone who renews the checksums as well still meets the manifest."""
    copy = tmp_path / "png"
    shutil.copytree(exports["png"], copy)
    one = next((copy / "train").glob("00 FRI/*.png"))
    moved = copy / "train/04 FRII" / one.name
    shutil.move(one, moved)
    lines = []
    for path in sorted(copy.rglob("*")):
        if path.is_file() and path.name != "checksums.sha256":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {path.relative_to(copy).as_posix()}\n")
    (copy / "checksums.sha256").write_text("".join(lines))
    assert verify(copy).problems == [f"{one.name}: its label or split is not the manifest's"]


def test_batches_in_the_published_split_are_the_builds(built, tmp_path):
    """Byte for byte, archive included; and the original's loader reads them."""
    out = export(built, "batches", tmp_path / "out").out
    for path in (built / "mingo-batches-py").iterdir():
        assert (out / "mingo-batches-py" / path.name).read_bytes() == path.read_bytes()
    archive = "mingo-batches-python.tar.gz"
    assert (out / archive).read_bytes() == (built / archive).read_bytes()


@pytest.mark.parametrize("split", [None, SPLIT])
def test_the_originals_loading_code_reads_our_batches(built, tmp_path, split):
    """Unchanged but for its md5 table: pickle with latin1, vstack, reshape, transpose."""
    out = export(built, "batches", tmp_path / "out", split=split).out / "mingo-batches-py"
    sums = dict(reversed(line.split("  ")) for line in (out / "checksums").read_text().splitlines())
    for train in (True, False):
        names = [f"data_batch_{n}" for n in range(1, 6)] if train else ["test_batch"]
        data, targets = [], []
        for name in names:
            raw = (out / name).read_bytes()
            assert hashlib.md5(raw, usedforsecurity=False).hexdigest() == sums[name]
            entry = pickle.loads(raw, encoding="latin1")
            data.append(entry["data"])
            targets.extend(entry["labels"])
        data = np.vstack(data).reshape(-1, 1, 150, 150).transpose((0, 2, 3, 1))
        ours = load(out.parent, "train" if train else "test")
        np.testing.assert_array_equal(data[..., 0], ours.images)
        assert targets == ours.labels.tolist()
    assert pickle.loads((out / "batches.meta").read_bytes())["label_names"] == list(ours.classes)


def test_folds_can_be_trained_on(built, tmp_path):
    """Each fold is a split; "not fold-1" is all the others."""
    out = export(built, "batches", tmp_path / "out", split="k-fold:folds=3,seed=1").out
    sizes = [len(load(out, f"fold-{fold}")) for fold in range(3)]
    assert sum(sizes) == 59
    assert len(load(out, "not fold-1")) == sizes[0] + sizes[2]
    assert len(load(out, "fold-0+fold-2")) == sizes[0] + sizes[2]


@pytest.mark.parametrize("name", ALL)
def test_exports_are_deterministic(built, exports, tmp_path, name):
    """The same build gives the same bytes, in every format."""
    again = export(built, name, tmp_path / name, split=SPLIT).out
    assert (again / "checksums.sha256").read_bytes() == (
        exports[name] / "checksums.sha256"
    ).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_an_archive_of_an_export_is_loadable(built, exports, tmp_path, name):
    """The option gives an archive and its sha256, which is all a user needs."""
    done = export(built, name, tmp_path / "out", split=SPLIT, archive=True)
    assert done.sha256 == hashlib.sha256(done.archive.read_bytes()).hexdigest()
    download(tmp_path / "root", Archive(str(done.archive), done.sha256))
    assert compare(tmp_path / "root", exports[name]).same
    assert verify(tmp_path / "root").problems == []


@pytest.mark.parametrize("name", ["webdataset", "batches", "png"])
def test_an_export_in_any_format_is_exported_again(exports, tmp_path, name):
    """The files of the next export are those of an export of the build, with its splits."""
    again, direct = export(exports[name], "parquet", tmp_path / "again").out, exports["parquet"]
    files = [path.relative_to(direct) for path in sorted(direct.rglob("*")) if path.is_file()]
    assert [one for one in files if (again / one).read_bytes() != (direct / one).read_bytes()] == []


def test_merged_classes(built, tmp_path):
    """FRI against FRII as a dataset of its own: two classes, the rest left out."""
    groups = {"FRI": [0, 1, 2], "FRII": ["FRII"]}
    out = export(built, "parquet", tmp_path / "out", merge=groups).out
    got = load(out)
    assert got.counts() == {"FRI": 18, "FRII": 6}
    assert verify(out).problems == []
    twice = export(out, "webdataset", tmp_path / "again").out
    assert compare(out, twice).same


@pytest.mark.readers
def test_float_images(tmp_path):
    """Jy/beam survive every format that can hold them; the others say so in one line."""
    recipe = load_recipe("mingolotss").changed(
        {"stamp.kind": "float32", "steps": [], "formats": ["parquet"]}
    )
    built = make_build(tmp_path, recipe)
    raw = pq.read_table(built / "stamps").sort_by("row")["pixels"].to_pylist()
    expected = np.frombuffer(b"".join(raw), "<f4").reshape(-1, 150, 150)
    for name in ("parquet", "hdf5", "zarr"):
        got = load(export(built, name, tmp_path / name).out)
        np.testing.assert_array_equal(got.images, expected, strict=True)
    for name in ("batches", "webdataset", "png"):
        with pytest.raises(
            InputError, match=rf"export mingolotss as {name}: its images are float32"
        ):
            export(built, name, tmp_path / name)
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"format": "tfrecord"}, "no format is called 'tfrecord': Known: batches, hdf5"),
        ({"split": "k-fold:folds=1"}, "folds of 2"),
        ({"merge": {"x": ["FR3"]}}, "no class 'FR3'"),
    ],
)
def test_mistakes_leave_nothing(built, tmp_path, options, found):
    """One line, and not even an empty folder."""
    with pytest.raises(InputError, match=found):
        export(built, out=tmp_path / "out", **({"format": "png"} | options))
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(built, tmp_path):
    """A folder of the user's never; an export only when asked; a build never."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/x").write_text("x")
    for fresh in (False, True):
        with pytest.raises(InputError, match="something is there"):
            export(built, "webdataset", tmp_path / "mine", fresh=fresh)
    export(built, "webdataset", tmp_path / "out")
    with pytest.raises(InputError, match="--fresh to replace it"):
        export(built, "batches", tmp_path / "out")
    assert export(built, "batches", tmp_path / "out", fresh=True).images == 59
    assert not list((tmp_path / "out").glob("*.tar"))
    with pytest.raises(InputError, match="something is there"):
        export(built, "webdataset", built, fresh=True)
    with pytest.raises(DatasetError, match=r"no recipe\.toml"):
        export(tmp_path / "mine", "webdataset", tmp_path / "other")


def test_compare_says_what_differs(built, exports, tmp_path):
    """A build is its own equal in any format; each kind of difference is named."""
    same = compare(built, export(built, "webdataset", tmp_path / "same").out)
    assert (same.same, same.common, same.identical) == (True, 59, 59)
    assert len(compare(built, exports["png"]).splits) > 0
    copy = tmp_path / "copy"
    shutil.copytree(built / "mingo-batches-py", copy / "mingo-batches-py")
    path = copy / "mingo-batches-py/test_batch"
    entry = pickle.loads(path.read_bytes())
    entry["data"] = entry["data"].copy()
    entry["data"][0, 11325] ^= 7
    entry["labels"][1] += 1 if entry["labels"][1] < 9 else -1
    entry["src_ids"][2] = "another"
    entry["filenames"][3] = entry["filenames"][3].replace("_P", "_Q")
    path.write_bytes(pickle.dumps(entry))
    found = compare(built, copy)
    counts = {kind: len(lines) for kind, lines in found.differences() if lines}
    assert counts == dict.fromkeys(
        ["sources only in A", "sources only in B", "labels that differ", "fields that differ",
         "images that differ"], 1,
    )  # fmt: skip
    assert found.pixels == [
        f"{entry['src_ids'][0]}: 1 pixels, by {found.pixels[0].split()[-3]} at most"
    ]
    assert found.only_b == ["another"]
    assert not found.same


def test_the_card_tells_the_numbers(built, exports):
    """Counts by class and split are those of the manifest; the datasheet has its sections."""
    text = (exports["parquet"] / "README.md").read_text()
    rows = list(manifest(exports["parquet"]).values())
    for label, name in enumerate(load(built).classes):
        counts = [
            sum(row["label"] == label and row["split"] == split for row in rows)
            for split in ("train", "val", "test")
        ]
        assert f"| {label} | {name} | " + " | ".join(map(str, counts)) + " |" in text
    for word in (
        "Motivation",
        "Composition",
        "Collection",
        "Preprocessing",
        "Uses",
        "Distribution",
    ):
        assert f"### {word}" in text
    assert "MNRAS 488, 2701" in text
    assert "in 0 of these pairs the stamps are in different splits" in text


@pytest.mark.parametrize("name", ALL)
def test_croissant_lists_files_with_their_checksums(exports, name):
    """Every file it names is there, with the SHA-256 that it says, and a set is one of them."""
    described = json.loads((exports[name] / "croissant.json").read_text())
    files = [one for one in described["distribution"] if one["@type"] == "cr:FileObject"]
    assert files
    for file_set in (one for one in described["distribution"] if one not in files):
        assert set(exports[name].glob(file_set["includes"])) <= {
            exports[name] / one["contentUrl"] for one in files
        }
    for item in files:
        content = (exports[name] / item["contentUrl"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == item["sha256"]


@pytest.mark.readers
def test_hugging_face_opens_the_parquet(exports, truth, tmp_path, monkeypatch):
    """load_dataset(FOLDER): splits, Image and ClassLabel features, pixels."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    loaded = datasets.load_dataset(str(exports["parquet"]), cache_dir=str(tmp_path))
    assert set(loaded) == {"train", "val", "test"}
    assert isinstance(loaded["train"].features["image"], datasets.Image)
    assert loaded["train"].features["label"].names == list(load(exports["parquet"]).classes)
    count = 0
    for split, part in loaded.items():
        for row in part:
            np.testing.assert_array_equal(np.asarray(row["image"]), truth[1][row["image_file"]])
            assert row["split"] == split
            assert part.features["label"].int2str(row["label"]) == row["class"]
            count += 1
    assert count == 59


@pytest.mark.readers
def test_hugging_face_opens_folds_and_a_build(built, tmp_path, monkeypatch):
    """Names that `datasets` does not allow are respelled; a build's stamps open as they are."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the group readers")
    out = export(built, "parquet", tmp_path / "out", split="k-fold:folds=3").out
    assert set(datasets.load_dataset(str(out), cache_dir=str(tmp_path))) == {
        "fold_0",
        "fold_1",
        "fold_2",
    }
    files = sorted(str(path) for path in (built / "stamps").glob("part-*.parquet"))
    stamps = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))
    assert len(stamps["train"]) == 59


@pytest.mark.readers
def test_webdataset_streams_the_shards(exports, truth):
    """Through the library's own decoders, each sample once."""
    webdataset = pytest.importorskip("webdataset", reason="needs the group readers")
    shards = sorted(str(path) for path in exports["webdataset"].glob("*.tar"))
    assert len(shards) == 3
    samples = webdataset.WebDataset(shards, shardshuffle=False).decode("pil")
    seen = set()
    for sample in samples:
        facts = sample["json"]
        np.testing.assert_array_equal(
            np.asarray(sample["png"].convert("L")), truth[1][facts["image_file"]]
        )
        assert manifest(exports["webdataset"])[facts["image_file"]]["label"] == sample["cls"]
        seen.add(facts["image_file"])
    assert seen == set(truth[1])


@pytest.mark.readers
def test_h5py_and_zarr_read_theirs(exports, truth):
    """By name, as a user would; and the images of the HDF5 lie in one piece."""
    h5py = pytest.importorskip("h5py", reason="needs the group readers")
    zarr = pytest.importorskip("zarr", reason="needs the group readers")
    with h5py.File(exports["hdf5"] / "mingolotss.h5") as file:
        names = [name.decode() for name in file["image_file"][:]]
        np.testing.assert_array_equal(file["images"][:], [truth[1][name] for name in names])
        assert file["images"].id.get_offset() is not None
        assert file.attrs["classes"][4] == "FRII"
    group = zarr.open_group(exports["zarr"] / "mingolotss.zarr", mode="r")
    names = group.attrs["image_file"]
    np.testing.assert_array_equal(group["images"][:], [truth[1][name] for name in names])
    rows = manifest(exports["zarr"])
    assert group["labels"][:].tolist() == [rows[name]["label"] for name in names]
    images = load(exports["hdf5"], "all").images
    while not isinstance(images, np.memmap):  # a view of a view of the mapped file
        images = images.base
        assert images is not None


@pytest.mark.readers
@pytest.mark.parametrize("name", ALL)
def test_croissant_is_valid_and_reads_records(exports, truth, name):
    """Its own validator finds no error, and gives every record and, of tables, every image."""
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the group readers")
    dataset = mlcroissant.Dataset(str(exports[name] / "croissant.json"))
    assert list(dataset.metadata.issues.errors) == []
    records = list(dataset.records("records"))
    assert len(records) == 59
    rows = manifest(exports[name])
    for record in records:
        row = rows[record["records/image_file"].decode()]
        assert record["records/label"] == row["label"]
        assert record["records/ra"] == pytest.approx(row["ra"])
    if column := {"parquet": "image", "hats": "stamp"}.get(name):
        images = list(dataset.records("images"))
        assert len(images) == 59
        expected = truth[1][images[0]["images/image_file"].decode()]
        np.testing.assert_array_equal(np.asarray(images[0][f"images/{column}"]), expected)


def test_members_of_an_archive_are_plain(built, tmp_path):
    """No dates, owners or links: what our own unpacking asks of others."""
    done = export(built, "png", tmp_path / "out", archive=True)
    with tarfile.open(done.archive) as archive:
        for member in archive:
            assert member.isfile()
            assert (member.mtime, member.uid, member.uname) == (0, 0, "")


@pytest.mark.readers
def test_a_damaged_container_is_one_line(exports, tmp_path):
    """HDF5, Zarr and shards cut short: the line says which file and what to do."""
    for name, pattern in (("hdf5", "*.h5"), ("webdataset", "*.tar"), ("parquet", "data/*.parquet")):
        copy = tmp_path / name
        shutil.copytree(exports[name], copy)
        path = next(copy.glob(pattern))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 - 100])
        with pytest.raises(DatasetError, match=f"^read {copy}.*not a whole") as caught:
            load(copy)
        assert "\n" not in str(caught.value)
    copy = tmp_path / "zarr"
    shutil.copytree(exports["zarr"], copy)
    shutil.rmtree(copy / "mingolotss.zarr/labels")
    with pytest.raises(DatasetError, match="not a whole Zarr export"):
        load(copy)


def test_a_shard_with_a_link_is_refused(exports, tmp_path):
    """Shards come from outside too: nothing but samples is read from them."""
    copy = tmp_path / "webdataset"
    shutil.copytree(exports["webdataset"], copy)
    with tarfile.open(copy / "train-000000.tar", "w") as archive:
        entry = tarfile.TarInfo("00000000.png")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry, io.BytesIO())
    with pytest.raises(DatasetError, match="which is no sample"):
        load(copy)


def test_paths_with_a_tilde_and_strings(built, tmp_path, monkeypatch):
    """A root may be text and start at home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    export(str(built), "png", str(tmp_path / "data"))
    assert len(load("~/data")) == 59
    assert Path("~/data").expanduser() == tmp_path / "data"
