"""COCO: annotations as pycocotools, CocoDetection and others read them, and damaged ones."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from mask_builds import CLASSES, SIDE, make_records, write_build, write_dataset
from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_columns import vector_columns
from mingolotss.dataset.layout import DatasetFolder, ExportFolder
from mingolotss.dataset.provenance import read_provenance
from mingolotss.errors import DatasetError, InputError
from mingolotss.formats.base import ExportHeader
from mingolotss.formats.batch_layout import BatchLayout
from mingolotss.formats.coco import read_coco, write_coco
from mingolotss.image.masks import OTHER, OWN
from mingolotss.io.files import write_bytes
from mingolotss.loaders.arrays import load
from mingolotss.publish.export import export
from mingolotss.qa.verify import verify

HEADER = ExportHeader("n", "T", "l", "c", "f", "a", "p", "coco", BatchLayout())
coco = pytest.importorskip("pycocotools.coco", reason="needs mingolotss[coco]")


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """A build with its images and masks, and its export."""
    root = tmp_path_factory.mktemp("coco")
    images, masks = write_build(root / "build", count=40)
    return export(root / "build", "coco", root / "out").out, images, masks


def open_split(out, split, capsys=None):
    """Open the annotations of a split as the users of COCO do."""
    with_output = coco.COCO(str(ExportFolder(out).annotations(split)))
    if capsys is not None:
        capsys.readouterr()
    return with_output


@pytest.mark.parametrize("split", ["train", "test"])
def test_pycocotools_reads_masks_boxes_and_areas(masked, split, capsys):
    """Areas are the numbers of pixels of the masks, boxes hold them, categories are the classes."""
    out, images, masks = masked
    dataset = open_split(out, split, capsys)
    names = {one["id"]: one["name"] for one in dataset.loadCats(dataset.getCatIds())}
    assert names == {1: "FRI", 2: "FRII", 3: "Bent", 4: "other source"}
    seen = []
    for number in dataset.getImgIds():
        (entry,) = dataset.loadImgs([number])
        row = entry["row"]
        seen.append(row)
        assert (entry["width"], entry["height"]) == (SIDE, SIDE)
        assert number == row + 1
        with Image.open(out / split / entry["file_name"]) as image:
            np.testing.assert_array_equal(np.asarray(image), images[row])
        stored = np.zeros((SIDE, SIDE), np.uint8)
        for one in dataset.loadAnns(dataset.getAnnIds(imgIds=[number])):
            value = OTHER if one["iscrowd"] else OWN
            shape = dataset.annToMask(one)
            assert one["id"] > 0
            assert one["area"] == np.count_nonzero(masks[row] == value) == shape.sum()
            assert coco_area(dataset, one) == one["area"]
            assert names[one["category_id"]] == (
                "other source" if one["iscrowd"] else CLASSES[row % 3]
            )
            rows, columns = np.nonzero(shape)
            x, y, width, height = one["bbox"]
            assert (x, y) == (columns.min(), rows.min())
            assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
            stored[shape > 0] = value
        np.testing.assert_array_equal(stored, masks[row])
    expected = [row for row in range(len(masks)) if (row % 4 == 3) == (split == "test")]
    assert sorted(seen) == expected


def coco_area(dataset, annotation):
    """Return the area that pycocotools computes."""
    from pycocotools import mask as coco_mask

    return coco_mask.area(dataset.annToRLE(annotation))


def test_a_stamp_without_emission_is_an_image_without_annotations(masked, capsys):
    """It stays in the list of images; one without other sources has no crowd."""
    dataset = open_split(masked[0], "train", capsys)
    assert dataset.getAnnIds(imgIds=[2]) == []
    assert 2 in dataset.getImgIds()
    assert [one["iscrowd"] for one in dataset.loadAnns(dataset.getAnnIds(imgIds=[3]))] == [0]


def test_perfect_detections_have_a_precision_of_one(masked, capsys):
    """The evaluation of COCO itself: other sources are a crowd, and cost nothing."""
    from pycocotools.cocoeval import COCOeval

    truth = open_split(masked[0], "train")
    results = [
        {"image_id": one["image_id"], "category_id": one["category_id"],
         "segmentation": one["segmentation"], "score": 0.9}
        for one in truth.dataset["annotations"] if not one["iscrowd"]
    ]  # fmt: skip
    detections = truth.loadRes(results)
    for kind in ("segm", "bbox"):
        evaluation = COCOeval(truth, detections, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        capsys.readouterr()
        assert evaluation.stats[0] == pytest.approx(1)


def test_the_numbers_are_unique_over_all_splits(masked):
    """So that the annotations of several splits can be joined."""
    contents = [json.loads(path.read_text()) for path in ExportFolder(masked[0]).annotation_files()]
    for key in ("images", "annotations"):
        numbers = [one["id"] for content in contents for one in content[key]]
        assert len(set(numbers)) == len(numbers)
    assert {content["info"]["description"] for content in contents} == {
        "masked: train", "masked: test"
    }  # fmt: skip


@pytest.mark.readers
def test_torchvision_reads_images_and_annotations(masked, capsys):
    """CocoDetection, also through the wrapper that makes boxes and masks for version 2."""
    datasets = pytest.importorskip("torchvision.datasets", reason="needs torchvision")
    out, _, masks = masked
    pairs = datasets.CocoDetection(out / "train", ExportFolder(out).annotations("train"))
    capsys.readouterr()
    assert len(pairs) == 30
    image, targets = pairs[0]
    assert image.size == (SIDE, SIDE)
    assert [one["category_id"] for one in targets] == [1, 4]
    wrapped = datasets.wrap_dataset_for_transforms_v2(
        pairs, target_keys=("boxes", "labels", "masks")
    )
    _, target = wrapped[0]
    np.testing.assert_array_equal(target["masks"][0].numpy(), masks[0] == OWN)
    assert target["labels"].tolist() == [1, 4]


def test_sources_without_a_label_have_a_category_of_their_own(masked, tmp_path, capsys):
    """A dataset without any class has the category ``source``."""
    records = make_records(*masked[1:])
    index = records.table.column_names.index("label")
    for labels, name in ([0, 1, None, 2] * 10, "some"), ([None] * 40, "none"):
        table = records.table.set_column(index, "label", pa.array(labels, pa.int16()))
        changed = type(records)(table, records.classes if name == "some" else (), "a test")
        write_coco(changed, tmp_path / name, HEADER)
        dataset = open_split(tmp_path / name, "train", capsys)
        names = [one["name"] for one in dataset.dataset["categories"]]
        if name == "some":
            assert names == [*CLASSES, "other source", "unlabelled source"]
            (own,) = dataset.loadAnns(dataset.getAnnIds(imgIds=[3]))
            assert own["category_id"] == 5
        else:
            assert names == ["source", "other source"]
        got = read_coco(tmp_path / name)
        assert got.labels.tolist() == [-1 if label is None else label for label in labels]


def test_tags_and_votes_are_attributes_of_one_annotation(masked, tmp_path, capsys):
    """A source is one annotation, however many tags it has; no name is joined or cut."""
    rng = np.random.default_rng(3)
    tags = rng.integers(0, 2, (40, 3))
    tags[4], tags[7], tags[9] = -1, 0, 1
    vectors = LabelVectors.of_tags(tags)
    write_coco(with_vectors(make_records(*masked[1:]), vectors), tmp_path / "tags", HEADER)
    dataset = open_split(tmp_path / "tags", "train", capsys)
    assert [one["name"] for one in dataset.dataset["categories"]] == ["source", "other source"]
    own = {one["image_id"] - 1: one for one in dataset.dataset["annotations"] if not one["iscrowd"]}
    assert len(own) == sum(1 for one in dataset.dataset["annotations"] if not one["iscrowd"])
    assert {one["category_id"] for one in own.values()} == {1}
    assert own[4]["attributes"] == {"tags": None}
    assert own[9]["attributes"] == {"tags": ["FRI", "FRII", "Bent"]}
    got = read_coco(tmp_path / "tags")
    np.testing.assert_array_equal(got.vectors.values, tags)
    assert set(got.labels.tolist()) == {-1}

    fractions = rng.dirichlet([1, 1, 1], 40)
    fractions[5] = np.nan
    vectors = LabelVectors.of_votes(fractions, np.where(np.arange(40) == 6, np.nan, 10))
    write_coco(with_vectors(make_records(*masked[1:]), vectors), tmp_path / "votes", HEADER)
    dataset = open_split(tmp_path / "votes", "train", capsys)
    (own,) = (
        one for one in dataset.dataset["annotations"] if one["image_id"] == 9 and not one["iscrowd"]
    )
    assert own["attributes"] == {"votes": fractions[8].tolist(), "votes_total": 10}
    assert own["category_id"] == fractions[8].argmax() + 1
    got = read_coco(tmp_path / "votes")
    np.testing.assert_array_equal(got.vectors.values, fractions)
    np.testing.assert_array_equal(got.vectors.totals, vectors.totals)
    assert got.labels.tolist() == vectors.single_labels().tolist()


def with_vectors(records, vectors):
    """Return records with tags or votes in the place of their classes."""
    table = records.table
    labels = vectors.single_labels()
    index = table.column_names.index("label")
    table = table.set_column(index, "label", pa.array(labels, pa.int16(), mask=labels < 0))
    for name, column in vector_columns(vectors).items():
        table = table.append_column(name, column)
    return type(records)(table, records.classes, "a test")


def test_a_dataset_without_masks_is_refused(masked, tmp_path):
    """And one whose images no PNG holds; each in one line, and nothing is left."""
    write_dataset(tmp_path / "plain", masked[1], None)
    with pytest.raises(InputError, match=r"export masked as coco: its images have no masks"):
        export(tmp_path / "plain", "coco", tmp_path / "out")
    write_build(tmp_path / "floats", kind="float32")
    with pytest.raises(InputError, match=r"as coco: its images are float32; use hdf5"):
        export(tmp_path / "floats", "coco", tmp_path / "out")
    assert not (tmp_path / "out").exists()


DAMAGE = {
    "no JSON": lambda text: text[:100],
    "no object": lambda _: "[]",
    "no images": lambda text: text.replace('"images"', '"pictures"'),
    "another path": lambda text: text.replace('"file_name": "', '"file_name": "../', 1),
    "another size": lambda text: text.replace('"size": [16, 16]', '"size": [16, 15]', 1),
    "a polygon": lambda text: text.replace('"segmentation": {', '"segmentation": [[1, 2]], "x": {'),
    "a list of counts": lambda text: text.replace('"counts": "', '"counts": [1], "x": "'),
    "no label": lambda text: text.replace('"label": ', '"name": ', 1),
    "no number": lambda text: text.replace('"label": 1', '"label": "FRI"', 1),
    "no text": lambda text: text.replace('"source": "J', '"source": ["J"], "x": "', 1),
    "a missing file": lambda text: text.replace('"file_name": "', '"file_name": "x', 1),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_annotations_are_one_line(masked, tmp_path, damage):
    """Whatever is wrong with them; the line names the folder."""
    out = export(masked[0], "coco", tmp_path / "out").out
    path = ExportFolder(out).annotations("test")
    write_bytes(path, damage(path.read_text()).encode())
    with pytest.raises(DatasetError, match=r"^read ") as caught:
        load(out)
    assert "\n" not in str(caught.value)
    assert verify(out).problems


def test_an_export_is_exported_again_and_names_its_recipe(masked, tmp_path):
    """The same bytes."""
    out = export(masked[0], "coco", tmp_path / "out").out
    for path in (out / "annotations").iterdir():
        assert path.read_bytes() == (masked[0] / "annotations" / path.name).read_bytes()
    assert read_provenance(out).recipe.name == "masked"
    assert DatasetFolder(out).card.is_file()
