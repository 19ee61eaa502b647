"""A build of tags and one of votes: manifest, stamps and what `load` returns."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import mingolotss
from mingolotss.dataset.label_columns import class_names_of
from mingolotss.dataset.records import read_records
from skies import Sky, random_sky

CLASSES = ("bent", "FR I + II", "x; y")


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Sky:
    """Return a folder of twelve sources."""
    return random_sky(tmp_path_factory.mktemp("sky") / "images", 12, 3, ("float32",))


def build(sky: Sky, out: Path, source: str, rows: np.ndarray) -> mingolotss.Build:
    """Build the sky with the labels of `rows`, shape (12, 3)."""
    catalogue = out.with_suffix(".csv")
    columns = ["a", "b", "c"]
    with catalogue.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Source_Name", "RA", "DEC", *columns])
        writer.writerows(
            [name, ra, dec, *row]
            for name, ra, dec, row in zip(sky.names, sky.ra, sky.dec, rows.tolist(), strict=True)
        )
    recipe = {
        "classes.from": source,
        "classes.columns": columns,
        "classes.table": [
            {"label": label, "name": name, "flags": [column]}
            for label, (name, column) in enumerate(zip(CLASSES, columns, strict=True))
        ],
        "classes.missing": "unlabelled",
        "formats": ["parquet", "csv"],
    }
    return mingolotss.build(
        "lotss", out=out, catalogue=catalogue, service=sky.folder, settings=recipe
    )


def test_tags(tmp_path, sky):
    """The tags of the catalogue are those of manifest, stamps, records and arrays."""
    rng = np.random.default_rng(1)
    tags = rng.integers(0, 2, (12, 3))
    tags[4] = 0
    build(sky, tmp_path / "out", "tags", tags)
    expected = np.where(tags.any(axis=1)[:, None], tags, -1)
    manifest = pq.read_table(tmp_path / "out/manifest.parquet")
    lists = [np.flatnonzero(row).tolist() if row.any() else None for row in tags]
    assert manifest["tags"].to_pylist() == lists
    assert class_names_of(manifest.schema) == CLASSES
    assert manifest["label"].null_count == 12
    names = [None if row is None else " + ".join(CLASSES[label] for label in row) for row in lists]
    assert manifest["class"].to_pylist() == names
    written = np.array(manifest["status"].to_pylist()) == "written"
    arrays = mingolotss.load(tmp_path / "out")
    assert arrays.classes == CLASSES
    assert arrays.vectors.values.tolist() == expected[written].tolist()
    assert arrays[2:5].vectors.values.tolist() == expected[written][2:5].tolist()
    parts = sorted((tmp_path / "out/stamps").glob("*.parquet"))
    alone = read_records(parts[0])
    assert alone.classes == CLASSES
    rows = alone.table["row"].to_numpy()
    assert alone.vectors.values.tolist() == expected[rows].tolist()


def test_votes(tmp_path, sky):
    """Fractions and totals keep every bit; the label is the class with the most votes."""
    rng = np.random.default_rng(2)
    votes = rng.integers(0, 9, (12, 3))
    votes[3] = 0
    build(sky, tmp_path / "out", "votes", votes)
    sums = votes.sum(axis=1)
    manifest = pq.read_table(tmp_path / "out/manifest.parquet")
    written = np.array(manifest["status"].to_pylist()) == "written"
    arrays = mingolotss.load(tmp_path / "out")
    is_known = (sums > 0)[written]
    np.testing.assert_array_equal(
        arrays.vectors.values[is_known], votes[written][is_known] / sums[written][is_known][:, None]
    )
    assert np.isnan(arrays.vectors.values[~is_known]).all()
    assert arrays.vectors.totals[is_known].tolist() == sums[written][is_known].tolist()
    largest = votes.max(axis=1)
    single = (votes == largest[:, None]).sum(axis=1) == 1
    labels = np.where(single & (sums > 0), votes.argmax(axis=1), -1)
    assert arrays.labels.tolist() == labels[written].tolist()
    assert manifest["votes"].null_count == 1
    assert manifest["votes_total"].null_count == 1
