"""The demo: what a newcomer sees first has everything in it, on purpose."""

from __future__ import annotations

import pytest

from builds import contents, run
from mingolotss import load, status, verify
from mingolotss.dataset.manifest import read_manifest
from mingolotss.pipeline.inputs import write_simulated_sky


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "demo"
    done = run("demo", "--out", out, "--sources", 60)
    assert done.returncode == 0, done.stderr
    return out


def test_every_case_occurs(demo):
    """All choice cases, recentring, blank and rejections, listed by status."""
    found = status(demo)
    assert set(found.cases) == {0, 1, 2, 3, 4}
    assert all(found.flags[flag] for flag in ("recentred", "blank", "undecided", "exceeds_stamp"))
    assert {stage for _, stage, _ in found.rejections} == {"search", "validate"}
    printed = run("status", demo).stdout
    for word in ("case 4", "recentred", "blank", "rejected at", "no image holds the position"):
        assert word in printed


def test_the_truth_is_found(demo):
    """What the sky was made to show is what the pipeline says of it."""
    from mingolotss.io.parquet import read_table

    rows = {row["source"]: row for row in read_manifest(demo).to_pylist()}
    truth = read_table(demo / "sky" / "truth.parquet").to_pylist()
    seen = set()
    for source in truth:
        row, edge = rows[source["source"]], source["edge_case"]
        seen.add(edge)
        if edge.startswith("case-"):
            assert row["case"] == int(edge[-1]), edge
        elif edge.startswith("rejected"):
            assert row["status"] == "rejected", edge
        elif edge.startswith("recentre"):
            assert row["recentred"], edge
        elif edge in ("blank", "exceeds-stamp"):
            assert row[edge.replace("-", "_")], edge
    assert {"case-1", "case-2", "case-3", "case-4", "blank", "rejected-nan"} <= seen


def test_it_is_whole_and_loads(demo):
    """It verifies, and loads with ten classes."""
    assert verify(demo).good
    data = load(demo, split="all")
    assert data.images.shape == (len(data.labels), 150, 150)
    assert len(data.classes) == 10
    assert (demo / "montage.png").stat().st_size > 10_000


def test_the_sky_reports_its_fields(tmp_path):
    """The slow first step counts up with its fields, and says nothing of a sky that is there."""
    reports = []
    for _ in range(2):
        write_simulated_sky(tmp_path, sources=30, progress=lambda *report: reports.append(report))
    assert reports == [(done, 30, "simulating the sky") for done in (0, 15, 30)]


@pytest.mark.slow
def test_nothing_warns_a_newcomer(tmp_path):
    """The demo as its command makes it: each class in each split, and no pixels in two."""
    done = run("demo", "--out", tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    assert "split: 0 pairs of stamps share pixels across splits" in done.stdout
    assert "warning" not in (done.stdout + done.stderr).lower()
    assert [len(load(tmp_path / "demo", part).counts()) for part in ("train", "test")] == [10, 10]


def test_again_changes_nothing(demo):
    """Running the demo again finds all there; another seed needs another folder or --fresh."""
    before = contents(demo)
    assert run("demo", "--out", demo, "--sources", 60).returncode == 0
    assert contents(demo) == before


@pytest.mark.slow
def test_the_simulated_service_alone(tmp_path):
    """`--service simulated` makes its own sky and catalogue."""
    done = run(
        "build", "--service", "simulated", "--out", tmp_path / "o", "--limit", 12,
        "--max-rejected", 12,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "12 sources" in done.stdout
