"""The whole: wrong labels are in front, and what was measured is said, for every kind of label."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest

import mingolotss
from audit_data import CLASSES, Planted
from builds import run
from mask_builds import write_build
from mingolotss.errors import InputError
from mingolotss.qa.suspects import baseline
from mingolotss.qa.suspects.result import SUSPECT_COLUMNS
from mingolotss.qa.suspects.run import suspects
from mingolotss.qa.suspects.shape_features import describe_shapes
from tagged_builds import build_tags, build_votes

SIDE = 32
WRONG = (3, 20, 41)


def draw(label: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one long blob (0) or two round ones (1) in any direction; uint8."""
    angle = rng.uniform(0, np.pi)
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    apart, width = (rng.uniform(6, 8), 2) if label else (0, rng.uniform(4, 6))
    image = sum(
        np.exp(-((along - place) ** 2) / (2 * width**2) - across**2 / 8)
        for place in (-apart, apart)
    )
    return np.where(image > 0.02, image / image.max() * 255, 0).astype(np.uint8)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(baseline, "TREES", 25)


@pytest.fixture
def planted() -> Planted:
    """Return 60 sources of two shapes, of which three have the other label."""
    dataset = Planted(n=60)
    rng = np.random.default_rng(4)
    dataset.images = np.stack([draw(label, rng) for label in dataset["label"]])
    for row in WRONG:
        dataset["label"][row] = 1 - dataset["label"][row]
    return dataset


def names(dataset, rows):
    return {dataset["source"][row] for row in rows}


@pytest.mark.parametrize("kind", ["write_parquet", "write_batches"])
def test_wrong_labels_are_in_front(planted, tmp_path, kind):
    """Each suggestion is the true class; an export and batches have no file of their own."""
    folder = getattr(planted, kind)(tmp_path / "dataset")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    queue = suspects(folder, folds=3)
    assert set(queue.sources[:3]) == names(planted, WRONG)
    first = queue.table.slice(0, 3).to_pylist()
    assert all(row["class"] != row["suggested_class"] for row in first)
    assert all(row["issue"] for row in first)
    assert all(row["probability_given"] < 0.2 < row["probability_suggested"] for row in first)
    assert (
        0.85 < queue.accuracy <= 57 / 60
    )  # other versions of scikit-learn rank a little differently
    assert queue.majority == pytest.approx(max(np.bincount(planted["label"])) / 60)
    assert queue.written is None
    lines = repr(queue).splitlines()
    assert lines[0].startswith("Suspects: 60 labels of ")
    assert lines[-10].split()[:2] == ["1", queue.sources[0]]
    assert "<table>" in queue._repr_html_()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.slow
def test_the_same_seed_gives_the_same_table(planted, tmp_path):
    """Byte for byte, and in any order of the rows; another seed gives other folds."""
    folder = planted.write_parquet(tmp_path / "a")
    paths = tmp_path / "1.csv", tmp_path / "2.csv"
    queues = [suspects(folder, folds=3, seed=5, out=path) for path in paths]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert queues[0].written == paths[0]
    other = suspects(folder, folds=3, seed=6)
    assert other.table["fold"].to_pylist() != queues[0].table["fold"].to_pylist()


def test_the_table_in_a_file(planted, tmp_path):
    """It has one row for each label, in order, with the columns that are documented."""
    folder = planted.write_parquet(tmp_path / "a")
    queue = suspects(folder, folds=3, out=tmp_path / "q.csv")
    with (tmp_path / "q.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == SUSPECT_COLUMNS.names
    assert [row["source"] for row in rows] == list(queue.sources)
    assert [int(row["rank"]) for row in rows] == list(range(1, 61))
    for row in rows:
        assert row["source"] == planted["source"][int(row["row"])]
        assert row["class"] == CLASSES[planted["label"][int(row["row"])]]
        assert row["class"] == CLASSES[int(row["label"])]
        assert row["fold"] in {"1", "2", "3"}
        assert row["method"] == "baseline: 3 folds, seed 0"
    assert not list(tmp_path.glob(".*"))  # no temporary file


def test_what_is_not_ranked_is_named(planted, tmp_path):
    """Sources without a label or without anything above the noise, and classes with few sources."""
    planted["label"][7] = None
    planted.images[8] = 0
    planted["ra"][9] = None
    queue = suspects(planted.write_parquet(tmp_path / "a"), folds=3)
    assert not names(planted, [7, 8]) & set(queue.sources)
    assert len(queue) == 58
    assert queue.notices == (
        "1 source without a position: whether their stamps share pixels is not known",
        "1 source with nothing above the noise in the stamp: not ranked: S1-8",
        "1 source without a label: not ranked",
    )


def test_a_rare_class_is_named(planted, tmp_path):
    """Too few to learn from: two sources, and three folds."""
    planted.classes = ("FRI", "FRII", "rare")
    planted["label"][10] = planted["label"][11] = 2
    queue = suspects(planted.write_parquet(tmp_path / "a"), folds=3)
    assert queue.notices == (
        "fewer sources than the 3 folds in class 'rare' (2): too few to learn from, so that they "
        "come early in the queue",
    )


@pytest.mark.parametrize(
    ("labels", "options", "line"),
    [
        ([None] * 60, {}, "none of its 60 sources has a label; there is nothing to compare"),
        ([1] * 60, {}, "all of its 60 labels are equal, 'FRII'; labels of at least two classes"),
        ([0, 1, 1] + [None] * 57, {}, "3 labelled sources with anything above the noise cannot"),
        (None, {"folds": 1}, "folds=1, seed=0; needs folds >= 2 and seed >= 0"),
        (None, {"seed": -1}, "folds=5, seed=-1; needs folds >= 2 and seed >= 0"),
    ],
)
def test_what_cannot_be_ranked_is_one_line(planted, tmp_path, labels, options, line):
    """The line names the dataset, and says what is there."""
    planted.columns["label"] = labels or planted["label"]
    folder = planted.write_parquet(tmp_path / "a")
    with pytest.raises(InputError, match=re.escape(f"suspects {folder}: {line}")):
        suspects(folder, **options)


def test_sources_that_all_share_pixels_cannot_be_predicted(planted, tmp_path):
    """Nothing is left to train with."""
    planted.columns["ra"] = (10 + np.arange(60) * 1e-4).tolist()
    folder = planted.write_parquet(tmp_path / "a")
    with pytest.raises(InputError, match="all sources share pixels with those of fold 1"):
        suspects(folder)


def write_probabilities(path, dataset, rows):
    """Write a table in which the images of each class have its probability 0.9."""
    lines = ["FRII,source,FRI"]
    for row in rows:
        label = dataset["label"][row] ^ (row in WRONG)
        lines.append(f"{0.9 if label else 0.1},{dataset['source'][row]},{0.1 if label else 0.9}")
    path.write_text("\n".join(lines))
    return path


def test_probabilities_of_another_model(planted, tmp_path):
    """They take the place of the baseline; missing sources are named and not ranked."""
    folder = planted.write_parquet(tmp_path / "a")
    table = write_probabilities(tmp_path / "p.csv", planted, range(58))
    queue = suspects(folder, probabilities=table)
    assert set(queue.sources[:3]) == names(planted, WRONG)
    assert (len(queue), queue.accuracy) == (58, pytest.approx(55 / 58))
    assert queue.notices == ("2 sources not in p.csv, and not ranked: S1-58 and S1-59",)
    assert set(queue.table["fold"].to_pylist()) == {None}
    assert set(queue.table["method"].to_pylist()) == {"table p.csv"}


def test_probabilities_of_other_sources_are_refused(planted, tmp_path):
    """No name fits: the line says how the sources are called."""
    folder = planted.write_parquet(tmp_path / "a")
    (tmp_path / "p.csv").write_text("source,FRI,FRII\nx,1,0\n")
    with pytest.raises(InputError, match=r"none of the 60 labelled sources; they are called S1-0"):
        suspects(folder, probabilities=tmp_path / "p.csv")


def test_tags_of_a_build(tmp_path):
    """One row for each source; the tag that looks most wrong is added or removed."""
    folder = build_tags(tmp_path)
    data = mingolotss.load(folder)
    answers = np.where(data.vectors.values > 0, 0.9, 0.1)
    answers[5, 2] = 1 - answers[5, 2]  # the only tag that looks wrong
    header = ["source", *(f'"{name}"' for name in data.classes)]
    lines = [
        ",".join(map(str, [name, *row])) for name, row in zip(data.sources, answers, strict=True)
    ]
    (tmp_path / "p.csv").write_text("\n".join([",".join(header), *lines]))
    queue = suspects(folder, probabilities=tmp_path / "p.csv")
    assert queue.written == folder / "suspects.csv"
    first = queue.table.slice(0, 1).to_pylist()[0]
    given = set(np.flatnonzero(data.vectors.values[5]).tolist())
    assert first["source"] == data.sources[5]
    assert first["label"] == "; ".join(map(str, sorted(given)))
    assert first["suggested_label"] == "; ".join(map(str, sorted(given ^ {2})))
    assert (first["probability_given"], first["probability_suggested"]) == pytest.approx((0.1, 0.9))
    assert queue.accuracy == pytest.approx(1 - 1 / data.vectors.values.size)
    others = queue.table.slice(1).to_pylist()
    assert all(row["label"] == row["suggested_label"] for row in others)


@pytest.mark.parametrize("make", [build_tags, build_votes])
def test_the_baseline_takes_tags_and_votes(tmp_path, make):
    """Every labelled source is ranked, with the probabilities of its own kind."""
    folder = make(tmp_path)
    data = mingolotss.load(folder)
    queue = suspects(folder, folds=3)
    labelled = {data.sources[row] for row in np.flatnonzero(data.vectors.is_labelled)}
    blank = re.search(r"(\d+) sources with nothing above", " ".join(queue.notices))
    assert set(queue.sources) <= labelled
    assert len(queue) == len(labelled) - int(blank[1]) > 5
    assert queue.kind == data.vectors.kind
    scores = queue.table["score"].to_numpy()
    assert (np.diff(scores.round(9)) >= 0).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    if make is build_votes:
        assert None in queue.table["class"].to_pylist()  # ties, and fractions that are too small


def test_the_masks_of_a_dataset_are_used(tmp_path, monkeypatch):
    """Each with its own image, whatever the order of the files is."""
    images, masks = write_build(tmp_path / "build", count=13)
    seen = []

    def record(block, of_block):
        seen.append((block, of_block))
        return describe_shapes(block, of_block)

    monkeypatch.setattr("mingolotss.qa.suspects.run.describe_shapes", record)
    suspects(tmp_path / "build", folds=2)
    order = [*range(6, 13), *range(6)]  # the second half is in the first file
    assert np.array_equal(np.concatenate([one for one, _ in seen]), images[order])
    assert np.array_equal(np.concatenate([one for _, one in seen]), masks[order])


@pytest.mark.slow
def test_the_command(planted, tmp_path):
    """It prints the sentences and the first labels, and writes the queue where it is told to."""
    folder = planted.write_parquet(tmp_path / "a")
    table = write_probabilities(tmp_path / "p.csv", planted, range(60))
    done = run("suspects", folder, "--probabilities", table, "--show", 3, "--out", tmp_path / "q")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[1] == (
        "the most probable class is that of the label for 95.0% of 60 sources; always answering "
        f"{CLASSES[int(np.bincount(planted['label']).argmax())]!r}, the most frequent class, "
        f"agrees with {max(np.bincount(planted['label'])) / 60:.1%}"
    )
    assert "cleanlab counts 3 labels as probably wrong" in lines[2]
    assert lines[3].split("  ")[0] == "rank"
    assert re.match(r"1 +\S+ +(FRI \(0.10\) +FRII|FRII \(0.10\) +FRI) \(0.90\)$", lines[4])
    assert {line.split()[1] for line in lines[4:7]} == names(planted, WRONG)
    assert lines[7] == f"The full list: {tmp_path / 'q'}"
    assert len(lines) == 8  # no advice to review what is no build
    failed = run("suspects", tmp_path / "nothing")
    assert failed.returncode == 2
    assert failed.stderr.startswith(f"mingolotss: load a dataset from {tmp_path / 'nothing'}")
