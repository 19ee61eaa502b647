"""Tags and votes in every format: written, read, verified, compared, merged, exported again."""

from __future__ import annotations

import csv
import json
import pickle
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mingolotss
from format_names import PLAIN_FORMATS
from mask_builds import draw_images, draw_masks, make_records
from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_columns import VECTOR_COLUMNS, vector_columns, with_class_names
from mingolotss.dataset.records import Records
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats import FORMATS
from mingolotss.formats.base import ExportHeader
from mingolotss.formats.batch_layout import BatchContent, BatchLayout
from mingolotss.formats.batches import read_batch
from mingolotss.formats.finding import find_datasets
from mingolotss.formats.label_arrays import vectors_of_arrays
from mingolotss.recipe.batch_settings import BatchSettings
from vector_builds import CLASSES, N, build_vectors, make_tags, make_votes

KINDS = ("tags", "votes")
CASES = [
    pytest.param(
        name, kind, marks=[pytest.mark.readers] if name in ("hdf5", "zarr") else [],
        id=f"{name}-{kind}",
    )
    for name in PLAIN_FORMATS for kind in KINDS
]  # fmt: skip


def vectors_of(kind: str, seed: int = 1) -> LabelVectors:
    rng = np.random.default_rng(seed)
    return make_tags(rng) if kind == "tags" else make_votes(rng)


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """A build of tags, and one of votes."""
    root = tmp_path_factory.mktemp("labels")
    return {kind: build_vectors(root / kind, vectors_of(kind)) for kind in KINDS}


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """The same builds with other labels for the sixth source."""
    root, folders = tmp_path_factory.mktemp("changed"), {}
    for kind in KINDS:
        vectors = vectors_of(kind)
        vectors.values[5] = np.roll(vectors.values[5], 1)
        folders[kind] = build_vectors(root / kind, vectors)
    return folders


class Exports(dict):
    """The exports of the builds, made when first asked for."""

    def __init__(self, builds, root):
        super().__init__()
        self.builds, self.root = builds, root

    def __missing__(self, key):
        name, kind = key
        self[key] = mingolotss.export(self.builds[kind], name, self.root / f"{name}-{kind}").out
        return self[key]


@pytest.fixture(scope="module")
def exports(builds, tmp_path_factory):
    return Exports(builds, tmp_path_factory.mktemp("exports"))


def assert_labels(got, vectors, *, labels=None):
    """Compare what a reader gives with the vectors of the catalogue, by names of sources."""
    rows = [int(source[1:4]) for source in got.sources]
    assert got.classes == CLASSES
    np.testing.assert_array_equal(got.vectors.values, vectors.values[rows], strict=True)
    np.testing.assert_array_equal(got.vectors.totals, vectors.totals[rows], strict=True)
    single = vectors.single_labels(0.2) if labels is None else labels
    np.testing.assert_array_equal(got.labels, single[rows])
    np.testing.assert_array_equal(got.targets, vectors.values[rows].astype(np.float32), strict=True)
    return rows


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_format_gives_the_same_labels(builds, exports, name, kind):
    """To the bit, with names of classes that have commas, quotes, umlauts and " + "."""
    out = exports[name, kind]
    rows = assert_labels(mingolotss.load(out), vectors_of(kind))
    assert sorted(rows) == list(range(N))
    test = mingolotss.load(out, "test")
    assert set(test.splits) == {"test"}
    assert_labels(test, vectors_of(kind))
    assert mingolotss.verify(out).problems == []
    assert mingolotss.compare(builds[kind], out).same


@pytest.mark.parametrize("kind", KINDS)
def test_the_build_itself(builds, kind):
    assert_labels(mingolotss.load(builds[kind]), vectors_of(kind))
    assert_labels(mingolotss.load(builds[kind] / "mingo-batches-py"), vectors_of(kind))
    assert mingolotss.verify(builds[kind]).problems == []


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case.values[0] != "fits"])
def test_an_export_is_exported_again(exports, tmp_path, name, kind):
    """The files are those of an export of the build, byte for byte."""
    again = mingolotss.export(exports[name, kind], "parquet", tmp_path / "again").out
    direct = exports["parquet", kind]
    files = [path.relative_to(direct) for path in sorted(direct.rglob("*")) if path.is_file()]
    assert [one for one in files if (again / one).read_bytes() != (direct / one).read_bytes()] == []


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case.values[0] != "parquet"])
def test_labels_come_from_the_files_of_the_format(exports, tmp_path, name, kind):
    """Without manifest and recipe the values are the same."""
    out = shutil.copytree(exports[name, kind], tmp_path / "out")
    (out / "manifest.parquet").unlink()
    (out / "recipe.toml").unlink()
    assert_labels(mingolotss.load(out), vectors_of(kind))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_verify_and_compare_name_the_source_that_differs(exports, changed, tmp_path, name, kind):
    """An export whose manifest has other labels for one source than its images have."""
    out = exports[name, kind]
    forged = mingolotss.export(changed[kind], name, tmp_path / "forged").out
    result = mingolotss.compare(out, forged)
    assert [line.partition(":")[0] for line in result.labels] == ["S005, ü"]
    assert not result.same
    if name == "fits":  # whose labels are those of the manifest
        return
    shutil.copy(out / "manifest.parquet", forged / "manifest.parquet")
    problems = [line for line in mingolotss.verify(forged).problems if "are not the" in line]
    assert len(problems) == 1
    assert problems[0].endswith(f"its {kind} are not the manifest's")
    assert "S005" in problems[0]


@pytest.mark.slow
def test_compare_says_how_labels_differ(builds, tmp_path):
    """Tags by their names, votes with their number, and other kinds of label."""
    tags, votes = vectors_of("tags"), vectors_of("votes")
    tags.values[4], tags.values[7], tags.values[8] = -1, 0, [1, 1, 0, 0, 0, 0, 0]
    votes.values[4] = [0.25, 0.75, 0, 0, 0, 0, 0]
    votes.totals[5] = 99
    other = [build_vectors(tmp_path / kind, one) for kind, one in (("t", tags), ("v", votes))]
    first = mingolotss.compare(builds["tags"], other[0])
    lines = dict(line.split(": ") for line in dict(first.differences())["tags that differ"])
    assert [lines[f"S00{row}, ü"].split(" and ")[1] for row in (4, 7, 8)] == [
        "none", "no tag", 'FR I, bent + a "core" + lobe',
    ]  # fmt: skip
    second = dict(mingolotss.compare(builds["votes"], other[1]).differences())["votes that differ"]
    assert second[0].endswith('and FR I, bent 0.25, a "core" + lobe 0.75')
    assert second[1].endswith("of 99 votes")
    assert len(second) == 2
    votes.values[4] = [0.25 + 2**-50, 0.75 - 2**-50, 0, 0, 0, 0, 0]
    third = build_vectors(tmp_path / "third", votes)
    (line,) = mingolotss.compare(other[1], third).labels
    assert line == (
        'S004, ü: FR I, bent 0.25, a "core" + lobe 0.75 and FR I, bent 0.25000000000000089, '
        'a "core" + lobe 0.74999999999999911'
    )
    kinds = dict(mingolotss.compare(builds["tags"], builds["votes"]).differences())
    assert kinds["kinds of label that differ"] == ["labels: tags and votes"]


def test_the_columns_of_parquet(builds, exports):
    """Tags are lists of numbers, votes of fractions; both are null for an unlabelled source."""
    for kind in KINDS:
        folder = exports["parquet", kind]
        table = pq.read_table(sorted(folder.glob("data/*.parquet")))
        vectors = vectors_of(kind)
        for row in table.to_pylist():
            values = vectors.values[row["row"]]
            if row["row"] == 1:
                assert row[kind] is None
            elif kind == "tags":
                assert row["tags"] == np.flatnonzero(values).tolist()
                assert row["label"] is None
            else:
                assert row["votes"] == values.tolist()
                assert row["votes_total"] == (
                    None if np.isnan(vectors.totals[row["row"]]) else vectors.totals[row["row"]]
                )


def test_the_table_has_a_column_for_each_class(builds):
    """As catalogues have them; a name that begins a formula has an apostrophe."""
    names = [*CLASSES[:4], "'=1+1", "class Field", CLASSES[6]]
    for kind, further in (("tags", []), ("votes", ["Votes"])):
        with (builds[kind] / "MingoML.csv").open(newline="") as stream:
            header, *rows = csv.reader(stream)
        assert header[7:] == names + further
        vectors = vectors_of(kind)
        for row, values, total in zip(rows, vectors.values, vectors.totals, strict=True):
            shown = ["" if np.isnan(one) or one < 0 else one for one in values]
            assert [one if one == "" else float(one) for one in row[7:14]] == shown
            if further:
                assert row[14:] == ["" if np.isnan(total) else str(total)]


def test_a_batch_keeps_the_keys_of_everyone_else(builds):
    """``labels`` is a list of int as before, and tags and votes are arrays beside it."""
    for kind in KINDS:
        for path in (builds[kind] / "mingo-batches-py").glob("*_batch*"):
            content = pickle.loads(path.read_bytes())
            assert all(type(label) is int for label in content["labels"])
            own = {key for key in content if key in ("tags", "votes", "votes_total")}
            assert own == ({"tags"} if kind == "tags" else {"votes", "votes_total"})
            assert content[kind].shape == (len(content["labels"]), len(CLASSES))
            assert content[kind].dtype == ("i1" if kind == "tags" else "f8")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, N])
def test_batches_of_protocol_3(tmp_path, kind, n):
    """Lists of numbers, which every version of numpy reads."""
    vectors = vectors_of(kind).take(slice(0, n))
    layout = BatchLayout(BatchSettings.model_validate({"pickle": {"protocol": 3}}))
    labels = vectors.single_labels().tolist()
    names = [f"{row}.png" for row in range(n)]
    pixels = np.zeros((n, 4), np.uint8)
    content = BatchContent("b", pixels, labels, names, names, names, vectors=vectors)
    layout.write_batch(tmp_path / "test_batch", content)
    layout.write_meta(tmp_path / "batches.meta", CLASSES, side=2, size=n)
    stored = pickle.loads((tmp_path / "test_batch").read_bytes())
    assert type(stored[kind]) is list
    got = read_batch(tmp_path / "test_batch").vectors
    np.testing.assert_array_equal(got.values, vectors.values, strict=True)
    np.testing.assert_array_equal(got.totals, vectors.totals, strict=True)


def test_png_files_have_their_labels_beside_them(exports):
    """A line of JSON for each image, names of tags as a list."""
    lines = [
        json.loads(line)
        for path in exports["png", "tags"].glob("*/metadata.jsonl")
        for line in path.read_text().splitlines()
    ]
    tags = {int(line["source"][1:4]): line["tags"] for line in lines}
    assert (tags[1], tags[2], tags[3]) == (None, [], list(CLASSES[:-1]))
    for path in exports["png", "tags"].glob("*/metadata.jsonl"):
        names = {json.loads(line)["file_name"] for line in path.read_text().splitlines()}
        assert names == {one.name for one in path.parent.glob("*.png")}


BAD = {
    "type": {"tags": np.zeros((2, 3), np.int64)},
    "shape": {"tags": np.zeros((3, 2), np.int8)},
    "value": {"tags": np.full((2, 3), 2, np.int8)},
    "partly unlabelled": {"tags": np.array([[0, -1, 1], [0, 0, 0]], np.int8)},
    "too large": {"votes": np.full((2, 3), 1.5)},
    "negative": {"votes": np.full((2, 3), -0.5)},
    "infinite": {"votes": np.full((2, 3), np.inf)},
    "partly unknown": {"votes": np.array([[0.5, np.nan, 0.5], [1, 0, 0]])},
    "totals": {"votes": np.full((2, 3), 0.25), "votes_total": np.zeros(3)},
}


@pytest.mark.parametrize("arrays", BAD.values(), ids=BAD.keys())
def test_arrays_that_are_no_labels_are_refused(arrays):
    with pytest.raises(ValueError, match=r"tags|votes"):
        vectors_of_arrays(arrays, 2, 3)


@pytest.mark.parametrize(
    "line", ['{"file_name": "../a.png", "tags": []}', "[]", "{", '{"tags": []}',
             '{"file_name": "a.png", "tags": ["no class"]}', '{"file_name": "a.png", "tags": 3}',
             '{"file_name": "a.png", "votes": [0.5]}', '{"file_name": "a.png", "votes": ["x"]}'],
)  # fmt: skip
def test_metadata_that_are_no_labels_are_one_line(exports, tmp_path, line):
    out = shutil.copytree(exports["png", "tags"], tmp_path / "out")
    (out / "train" / "metadata.jsonl").write_text(f"{line}\n")
    with pytest.raises(DatasetError) as caught:
        mingolotss.load(out)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["tags", "votes"])
@pytest.mark.parametrize(
    "value", [[[1, 2]], [[[]]], ["a"] * N, np.zeros(3, np.int8), None, [[0.5] * 3], {}]
)
def test_a_batch_with_other_labels_is_one_line(builds, tmp_path, name, value):
    out = shutil.copytree(builds["tags"] / "mingo-batches-py", tmp_path / "out")
    content = pickle.loads((out / "test_batch").read_bytes())
    del content["tags"]
    (out / "test_batch").write_bytes(pickle.dumps(content | {name: value}, 4))
    with pytest.raises(DatasetError) as caught:
        mingolotss.load(out, "test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["parquet", "png", "webdataset", "batches"])
def test_classes_are_merged(builds, tmp_path, name):
    """A merged tag is any of the old ones, and votes are added, in an export and in `load`."""
    groups = {"A": [0, "x; y"], "B, C": [1, 2, 4, 5, 6]}
    for kind in KINDS:
        vectors = vectors_of(kind)
        parts = [vectors.values[:, [0, 3]], vectors.values[:, [1, 2, 4, 5, 6]]]
        if kind == "tags":
            expected = np.stack([part.max(axis=1) for part in parts], axis=1)
        else:
            expected = np.stack([part.sum(axis=1) for part in parts], axis=1)
        out = mingolotss.export(builds[kind], name, tmp_path / kind, merge=groups).out
        for got in (mingolotss.load(out), mingolotss.load(builds[kind], merge=groups)):
            rows = [int(source[1:4]) for source in got.sources]
            assert got.classes == ("A", "B, C")
            np.testing.assert_allclose(got.vectors.values, expected[rows], rtol=1e-15)
            labels = LabelVectors(kind, expected, vectors.totals).single_labels(0.2)
            np.testing.assert_array_equal(got.labels, labels[rows])
        assert mingolotss.verify(out).problems == []


def test_tags_may_be_left_out_and_votes_not(builds):
    got = mingolotss.load(builds["tags"], merge={"A": [0]})
    assert got.targets.shape == (N, 1)
    with pytest.raises(InputError, match="votes for a class cannot be left out") as caught:
        mingolotss.load(builds["votes"], merge={"A": [0]})
    assert "\n" not in str(caught.value)


def records_with_masks(kind):
    """Return images with masks and with these labels, as the records of a dataset."""
    masks = draw_masks(N)
    images, vectors = draw_images(masks), vectors_of(kind)
    records = make_records(images, masks)
    table = records.table
    for name, column in vector_columns(vectors).items():
        field = VECTOR_COLUMNS.field(name)
        if name == kind:
            field = with_class_names(field, CLASSES)
        table = table.append_column(field, column)
    labels = vectors.single_labels(0.2)
    column = pa.array(labels, mask=labels < 0)
    table = table.set_column(table.column_names.index("label"), table.field("label"), column)
    return Records(table, CLASSES, "a test"), images, masks, vectors


HEADER = ExportHeader(
    name="any", title="Any", license="none", citation="", folder="any-batches-py",
    archive="any.tar.gz", split_plan="catalogue-order", format="any", layout=BatchLayout(),
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["parquet", "webdataset", "png", "batches", "coco"])
def test_masks_and_labels_are_written_side_by_side(tmp_path, name, kind):
    if name == "coco":
        pytest.importorskip("pycocotools", reason="needs mingolotss[coco]")
    records, images, masks, vectors = records_with_masks(kind)
    FORMATS.get(name).write(records, tmp_path, HEADER)
    ((found, place), *_) = find_datasets(tmp_path)
    assert found is FORMATS.get(name)
    got = found.read(place, "all")
    rows = [int(source[1:4]) for source in got.sources]
    np.testing.assert_array_equal(np.asarray(got.images), images[rows])
    np.testing.assert_array_equal(np.asarray(got.masks), masks[rows])
    np.testing.assert_array_equal(got.vectors.values, vectors.values[rows], strict=True)
    np.testing.assert_array_equal(got.vectors.totals, vectors.totals[rows], strict=True)
    np.testing.assert_array_equal(got.labels, vectors.single_labels(0.2)[rows])


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, "classes"])
def test_columns_of_the_catalogue_may_have_these_names(tmp_path, kind):
    """Texts that a catalogue calls ``tags`` and ``votes`` are no labels, and none is lost."""
    texts = [f"text {row}" for row in range(N)]
    kept = pa.table({"tags": texts, "votes": texts, "votes_total": np.arange(N) / 2})
    vectors = None if kind == "classes" else vectors_of(kind)
    build = build_vectors(tmp_path, vectors, kept=kept)
    stored = pq.read_table(build / "manifest.parquet")
    own = {"tags": ["tags"], "votes": ["votes", "votes_total"], "classes": []}[kind]
    for name in kept.column_names:
        column = stored[f"catalogue_{name}" if name in own else name]
        assert column.to_pylist() == kept[name].to_pylist()
    for name in ("parquet", "webdataset", "png", "batches", "fits"):
        out = mingolotss.export(build, name, tmp_path / name).out
        got = mingolotss.load(out)
        assert mingolotss.verify(out).problems == []
        assert mingolotss.compare(build, out).same
        if vectors is None:
            assert (got.vectors, got.targets.dtype) == (None, np.int64)
        else:
            assert_labels(got, vectors)
        assert got.table["votes" if kind == "tags" else "tags"].to_pylist() == [
            f"text {int(source[1:4])}" for source in got.sources
        ]
    assert mingolotss.verify(build).problems == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_names_readers_of_these_labels(exports, kind):
    """No reader of folders of classes, which are not there."""
    assert "ImageFolder" not in (exports["png", kind] / "README.md").read_text()
    assert 'datasets.load_dataset("FOLDER")' in (exports["png", kind] / "README.md").read_text()
    assert "original class" not in (exports["batches", kind] / "README.md").read_text()


@pytest.mark.parametrize("name", ["parquet", "webdataset", "png", "batches"])
def test_fractions_that_add_up_to_more_than_1_by_rounding(tmp_path, name):
    """As the sum of merged classes may be: it is kept to the bit."""
    fractions = np.full((N, len(CLASSES)), 0.0)
    fractions[:, :3] = [1 + 2**-52, 0, 0]
    build = build_vectors(tmp_path, LabelVectors.of_votes(fractions, np.full(N, 3.0)))
    out = mingolotss.export(build, name, tmp_path / name).out
    assert mingolotss.load(out).vectors.values.max() == 1 + 2**-52


@pytest.mark.parametrize("kind", KINDS)
def test_verify_names_changed_labels_of_a_build(builds, changed, tmp_path, kind):
    """Beside the stamps, and in a batch."""
    out = shutil.copytree(builds[kind], tmp_path / "out")
    shutil.rmtree(out / "stamps")
    shutil.copytree(changed[kind] / "stamps", out / "stamps")
    line = f"stamps/part-00000.parquet, S005, %C3%BC_F+1.png: its {kind} are not the manifest's"
    assert line in mingolotss.verify(out).problems
    batches = tmp_path / "out" / "mingo-batches-py"
    shutil.rmtree(batches)
    shutil.copytree(changed[kind] / "mingo-batches-py", batches)
    lines = [line for line in mingolotss.verify(out).problems if "_batch" in line]
    # The class with the most votes is another one, and its label differs first.
    end = (
        "its tags are not the manifest's"
        if kind == "tags"
        else "its labels differ from the manifest"
    )
    assert any(line.endswith(end) for line in lines)
