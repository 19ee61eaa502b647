"""Images of several channels in every format: written, read back, verified, compared, exported."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from channel_builds import CLASSES, NAMES, SIDE, make_records, write_build, write_dataset
from format_names import PLAIN_FORMATS
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.provenance import read_provenance
from mingolotss.dataset.stamp_shape import StampShape
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats import FORMATS
from mingolotss.formats.base import ExportHeader
from mingolotss.formats.batch_layout import BatchLayout
from mingolotss.formats.finding import find_datasets
from mingolotss.loaders.arrays import load
from mingolotss.publish.export import export
from mingolotss.qa.audit.samples import AuditSettings, read_samples
from mingolotss.qa.compare import compare
from mingolotss.qa.verify import verify

KINDS = [(3, "uint8"), (3, "float32"), (2, "uint8"), (5, "uint8"), (1, "uint8"), (5, "float32"),
         (1, "float32")]  # fmt: skip


def is_possible(name, channels, kind):
    """PNG files hold one or three channels of uint8; every other format holds all.

    FITS files need the images that a build was made from.
    """
    return name != "fits" and (name != "png" or (kind == "uint8" and channels in (1, 3)))


@pytest.fixture(scope="session")
def builds(tmp_path_factory):
    """Every build, with its images, by number of channels and type."""
    root = tmp_path_factory.mktemp("channels")
    folders = {pair: root / f"{pair[0]}-{pair[1]}" for pair in KINDS}
    return {pair: (folder, write_build(folder, *pair)) for pair, folder in folders.items()}


HEADER = ExportHeader(
    name="any", title="Any", license="none", citation="", folder="any-batches-py",
    archive="any.tar.gz", split_plan="catalogue-order", format="any", layout=BatchLayout(),
)  # fmt: skip


class Exports(dict):
    """The exports of the builds, made when first asked for."""

    def __init__(self, builds, root):
        super().__init__()
        self.builds, self.root = builds, root

    def __missing__(self, key):
        name, *pair = key
        out = self.root / "-".join(map(str, key))
        self[key] = export(self.builds[tuple(pair)][0], name, out).out
        return self[key]


@pytest.fixture(scope="session")
def exports(builds, tmp_path_factory):
    return Exports(builds, tmp_path_factory.mktemp("exports"))


CASES = [
    pytest.param(
        name, *pair, marks=[pytest.mark.readers] if name in ("hdf5", "zarr") else [],
        id=f"{name}-{pair[0]}-{pair[1]}",
    )
    for name in PLAIN_FORMATS for pair in KINDS if is_possible(name, *pair)
]  # fmt: skip


@pytest.mark.parametrize(("name", "channels", "kind"), CASES)
def test_every_format_gives_the_same_channels(builds, exports, name, channels, kind):
    """Pixels to the bit, NaN and zero planes too, names, labels and splits."""
    folder, images = builds[channels, kind]
    out = exports[name, channels, kind]
    got = load(out)
    assert got.channels == NAMES[:channels]
    assert (got.images.dtype, got.images.shape) == (images.dtype, images.shape)
    rows = [int(source[1:4]) for source in got.sources]
    assert sorted(rows) == list(range(len(images)))
    assert got.images.tobytes() == images[rows].tobytes()
    assert [got.classes[label] for label in got.labels] == [CLASSES[row % 3] for row in rows]
    assert load(out, "test").images.tobytes() == images[3::4].tobytes()
    assert verify(out).problems == []
    assert compare(folder, out).same


@settings(max_examples=25)  # a collection takes 0.2 s
@given(st.data())
def test_any_images_come_back(data):
    """Every number of channels, size and type, through the formats themselves."""
    channels = data.draw(st.integers(1, len(NAMES)))
    kind = data.draw(st.sampled_from(["uint8", "float32"]))
    name = data.draw(
        st.sampled_from([one for one in PLAIN_FORMATS if is_possible(one, channels, kind)])
        .filter(lambda one: one not in ("hdf5", "zarr"))
    )  # fmt: skip
    side, count = data.draw(st.integers(1, 7)), data.draw(st.integers(2, 4))
    elements = None if kind == "uint8" else st.floats(width=32)
    stack = arrays.arrays(kind, (count, channels, side, side), elements=elements)
    images = data.draw(stack)
    shape = StampShape(NAMES[:channels], side, kind)
    with TemporaryDirectory() as folder:
        path = Path(folder)
        FORMATS.get(name).write(make_records(images, shape), path, HEADER)
        ((found, place), *_) = find_datasets(path)
        got = found.read(place, "all")
    assert got.channels == NAMES[:channels]
    order = np.argsort(got.sources)
    assert np.asarray(got.images)[order].tobytes() == images.tobytes()


@pytest.mark.parametrize("name", ["webdataset", "batches", "parquet"])
def test_the_same_records_give_the_same_bytes(builds, exports, tmp_path, name):
    """Of arrays in shards, rows of batches, and metadata."""
    out = exports[name, 2, "uint8"]
    again = export(builds[2, "uint8"][0], name, tmp_path / "again").out
    files = [path.relative_to(out) for path in sorted(out.rglob("*")) if path.is_file()]
    assert all((out / file).read_bytes() == (again / file).read_bytes() for file in files)


@pytest.mark.parametrize(("channels", "kind"), KINDS)
def test_an_export_in_parquet_is_exported_again(builds, exports, tmp_path, channels, kind):
    """With its channels and their table."""
    _, images = builds[channels, kind]
    first = exports["parquet", channels, kind]
    names = ["png"] if is_possible("png", channels, kind) else ["webdataset"]
    for name in names:
        second = export(first, name, tmp_path / name).out
        got = load(second)
        order = np.argsort(got.sources)
        assert got.images[order].tobytes() == images.tobytes()
        assert (second / "channels.parquet").read_bytes() == (
            first / "channels.parquet"
        ).read_bytes()
        assert verify(second).problems == []


@pytest.mark.parametrize(
    ("name", "channels", "kind"),
    [case for case in CASES if case.values[1:] in ((3, "uint8"), (5, "float32"), (2, "uint8"))],
)
def test_an_export_in_any_format_is_exported_again(builds, exports, tmp_path, name, channels, kind):
    """The files of the next export are those of an export of the build, byte for byte."""
    again = export(exports[name, channels, kind], "parquet", tmp_path / "again").out
    direct = exports["parquet", channels, kind]
    files = [path.relative_to(direct) for path in sorted(direct.rglob("*")) if path.is_file()]
    assert [one for one in files if (again / one).read_bytes() != (direct / one).read_bytes()] == []


def test_an_export_without_an_image_is_not_exported(exports, tmp_path):
    """One line, which names the image."""
    out = shutil.copytree(exports["png", 3, "uint8"], tmp_path / "out")
    next(out.glob("*/*/J004*.png")).unlink()
    with pytest.raises(DatasetError, match=r"the image 'J004\.5\+1_P1\.png' of its manifest"):
        export(out, "batches", tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("pair", [(2, "uint8"), (5, "uint8"), (3, "float32")])
def test_png_says_which_formats_hold_these_channels(builds, tmp_path, pair):
    """One line, and nothing is written."""
    with pytest.raises(
        InputError, match=r"export several as png: .*; use another format"
    ) as caught:
        export(builds[pair][0], "png", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_png_files_are_rgb(builds, exports):
    """Red, green and blue in the order of the recipe, for Pillow and everyone else."""
    _, images = builds[3, "uint8"]
    out = exports["png", 3, "uint8"]
    paths = sorted(out.glob("*/*/*.png"), key=lambda path: path.name)
    assert len(paths) == len(images)
    for path, image in zip(paths, images, strict=True):
        with Image.open(path) as opened:
            assert opened.mode == "RGB"
            np.testing.assert_array_equal(np.asarray(opened).transpose(2, 0, 1), image)


def test_rows_of_batches_are_those_of_cifar(builds, exports):
    """All of the first plane, then all of the next: as CIFAR has red, green and blue."""
    _, images = builds[3, "uint8"]
    out = exports["batches", 3, "uint8"] / "mingo-batches-py"
    parts = []
    for path in [*sorted(out.glob("data_batch_*")), out / "test_batch"]:
        with path.open("rb") as stream:
            content = pickle.load(stream, encoding="latin1")
        assert content["channel_names"] == list(NAMES[:3])
        assert content["data"].shape == (len(content["labels"]), 3 * SIDE * SIDE)
        # How torchvision.datasets.CIFAR10 reads them.
        parts.append(np.vstack([content["data"]]).reshape(-1, 3, SIDE, SIDE))
    with (out / "batches.meta").open("rb") as stream:
        meta = pickle.load(stream, encoding="latin1")
    assert meta == {"label_names": list(CLASSES), "channel_names": list(NAMES[:3])}
    is_test = np.arange(len(images)) % 4 == 3
    expected = np.concatenate([images[~is_test], images[is_test]])
    np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_parquet_states_shape_and_type(builds, exports):
    """For pandas as attributes of its table, for others in the metadata of the schema."""
    pandas = pytest.importorskip("pandas", reason="needs the group readers")
    _, images = builds[5, "float32"]
    out = exports["parquet", 5, "float32"]
    path = next((out / "data").glob("train-*"))
    table = pandas.read_parquet(path)
    shape = {"channels": list(NAMES), "shape": [5, SIDE, SIDE], "dtype": "float32"}
    assert table.attrs == shape
    assert json.loads(pq.read_schema(path).metadata[b"mingolotss.stamps"]) == shape
    image = np.frombuffer(table["pixels"][0], "<f4").reshape(shape["shape"])
    assert image.tobytes() == images[0].tobytes()


def test_a_sample_of_webdataset_is_an_array(builds, exports):
    """``KEY.npy`` of shape (channels, ny, nx) where no PNG file holds it, and its metadata."""
    _, images = builds[2, "uint8"]
    out = exports["webdataset", 2, "uint8"]
    with tarfile.open(out / "train-000000.tar") as archive:
        names = archive.getnames()
        assert names[:3] == ["00000000.cls", "00000000.json", "00000000.npy"]
        record = json.load(archive.extractfile("00000000.json"))
        file = io.BytesIO(archive.extractfile("00000000.npy").read())
        image = np.load(file, allow_pickle=False)
    assert record["missing_channels"] == ""
    np.testing.assert_array_equal(image, images[0], strict=True)
    assert json.loads((out / "channels.json").read_text()) == ["low", "high"]


@pytest.mark.parametrize(("name", "channels", "kind"), CASES)
def test_channels_are_selected(builds, exports, name, channels, kind):
    """By name, in the order that is asked for."""
    _, images = builds[channels, kind]
    out = exports[name, channels, kind]
    asked = NAMES[:channels][::-1][:2]
    got = load(out, channels=list(asked))
    assert got.channels == asked
    places = [NAMES.index(one) for one in asked]
    rows = [int(source[1:4]) for source in got.sources]
    assert got.images.tobytes() == images[rows][:, places].tobytes()
    with pytest.raises(InputError, match="no channel 'radio'; there are low"):
        load(out, channels=["radio"])


@pytest.mark.parametrize("name", ["parquet", "webdataset", "png", "batches"])
def test_verify_names_the_channel_that_differs(builds, exports, tmp_path, name):
    """An image of which one channel was changed, under the manifest of the true one."""
    folder, _ = builds[3, "uint8"]
    out = exports[name, 3, "uint8"]
    changed = np.array(load(folder).images)
    changed[5, 1, 2, 2] ^= 1
    other = tmp_path / "other"
    write_changed(folder, other, changed)
    forged = export(other, name, tmp_path / "forged").out
    for file in ("manifest.parquet", "channels.parquet"):
        (forged / file).write_bytes((out / file).read_bytes())
    lines = [line for line in verify(forged).problems if "J005" in line]
    assert len(lines) == 1
    assert lines[0].endswith("not the image of the manifest in its channel high")
    difference = compare(out, forged)
    assert difference.pixels == ["J005.5+1: 1 pixels in high, by 1 at most"]


def write_changed(folder, other, images, **changes):
    """Write the same build with other pixels, and with changes to its recipe."""
    recipe = read_provenance(folder).recipe.changed(changes)
    write_dataset(other, images, StampShape.of_recipe(recipe), recipe.to_dict())


def test_compare_matches_channels_by_name(builds, tmp_path):
    """Another order of the same channels is a difference of their names and not of the pixels."""
    folder, images = builds[2, "uint8"]
    channels = [{"name": "high"}, {"name": "low"}]
    write_changed(folder, tmp_path / "other", images[:, ::-1], channels=channels)
    result = compare(folder, tmp_path / "other")
    assert dict(result.differences())["channels named differently"] == [
        "0: low and high", "1: high and low",
    ]  # fmt: skip
    assert (result.pixels, result.identical, result.same) == ([], len(images), False)


def test_differences_of_float_images_count_no_equal_nan(builds, tmp_path):
    """NaN in both is equal; NaN in one, and infinity, differ without a warning."""
    folder, images = builds[3, "float32"]
    changed = images.copy()
    changed[1, 0, 0, :3] = np.nan, np.inf, -np.inf
    write_changed(folder, tmp_path / "other", changed)
    assert compare(folder, tmp_path / "other").pixels == [
        "J001.5+1: 3 pixels in low, by inf at most"
    ]


@pytest.mark.parametrize("values", [["\xff"], [[1]], [b"\x89"]])
def test_a_column_of_the_recipe_of_another_type_is_one_line(builds, tmp_path, values):
    """In the stamps, and in the manifest, which states the type that it should have."""
    out = shutil.copytree(builds[2, "uint8"][0], tmp_path / "out")
    for path in (out / "stamps/part-00000.parquet", out / "manifest.parquet"):
        table = pq.read_table(path)
        index, column = table.column_names.index("missing_channels"), pa.array(values * len(table))
        if values == ["\xff"]:  # bytes that are no UTF-8
            buffers = pa.array([b"\xff"] * len(table)).buffers()
            column = pa.Array.from_buffers(pa.string(), len(table), buffers)
        pq.write_table(table.set_column(index, "missing_channels", column), path)
    for read in (load, lambda place: load(place).table, read_manifest):
        with pytest.raises(DatasetError) as caught:
            read(out)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ['["a"]', '["a", "a", "b"]', "{}", '["a", "b", 3]', "[]", "x"])
@pytest.mark.parametrize("name", ["png", "webdataset"])
def test_names_of_channels_that_do_not_fit_are_one_line(exports, tmp_path, name, content):
    """More or fewer names than channels, equal names, no names."""
    out = shutil.copytree(exports[name, 3, "uint8"], tmp_path / "out")
    (out / "channels.json").write_text(content)
    with pytest.raises(DatasetError) as caught:
        load(out)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["build", "webdataset", "png"])
def test_an_audit_looks_at_the_reference(builds, exports, tmp_path, name):
    """Two sources whose images of the reference channel are equal are twins in every format."""
    folder, images = builds[3, "uint8"]
    changed = images.copy()
    changed[6, 1] = images[4, 1]
    channels = [{"name": one, "reference": one == "high"} for one in NAMES[:3]]
    write_changed(folder, tmp_path / "other", changed, channels=channels)
    place = tmp_path / "other"
    if name != "build":
        place = export(place, name, tmp_path / "out").out
    samples = read_samples(place, AuditSettings())
    assert samples.images.shape == (len(images), SIDE, SIDE)
    rows = [int(source[1:4]) for source in samples.names]
    np.testing.assert_array_equal(np.asarray(samples.images), changed[rows, 1])
