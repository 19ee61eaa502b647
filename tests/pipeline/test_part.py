"""A part is made again exactly when something that it depends on has changed."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mingolotss.candidates.decisions import Decision
from mingolotss.dataset.layout import BuildFolder
from mingolotss.model import Candidate
from mingolotss.pipeline import part as part_module
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.part import FIRST_CHUNK_SOURCES, make_part, read_finished
from mingolotss.pipeline.plan import plan
from skies import random_sky


@pytest.fixture
def build_plan(tmp_path):
    """A plan of 40 sources with local images, some without any."""
    sky = random_sky(tmp_path / "sky", 40, 1)
    return plan("mingolotss", catalogue=sky.catalogue, service=f"folder:{sky.folder}",
                out=tmp_path / "out")  # fmt: skip


class Downloads:
    """A service that downloads: the files of a candidate lie in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def search_all(self, catalogue, size_deg, progress=None): ...

    def estimate(self, requests, size_deg): ...

    def fetch(self, requests, size_deg, progress=None): ...

    def local_candidate(self, request):
        """Return the path of a download; there is no rms map."""
        path = self.folder / f"{request.source.name}_{request.candidate.field}.fits"
        return Candidate(request.candidate.field, str(path), "", request.source.name)


def touch(path: Path, written: Path, seconds: float) -> None:
    """Set the time of a file relative to the time when another was written."""
    time = written.stat().st_mtime_ns + int(seconds * 1e9)
    os.utime(path, ns=(time, time))


def test_a_part_with_the_same_inputs_is_finished(build_plan):
    """The summary is that of the worker which made the part."""
    task = build_plan.task(0)
    assert read_finished(task) is None
    summary = make_part(task)
    assert summary.written + summary.rejected == len(task)
    assert read_finished(task) == summary
    BuildFolder(task.out).part_stamps(0).unlink()
    assert read_finished(task) is None


def test_a_part_depends_on_its_key(build_plan):
    """Another decision, search error or batch makes another part."""
    task = build_plan.task(0)
    make_part(task)
    name = task.catalogue.names[0]
    for changes in (
        {"decisions": {name: Decision(name, "", "reject")}},
        {"search_errors": {name: "timed out"}},
        {"batches": task.batches + 1},
    ):
        assert read_finished(replace(task, **changes)) is None


def test_a_part_is_older_than_a_changed_image(build_plan):
    """An image that was written after the part makes it stale, and one that is gone does, too."""
    task = build_plan.task(0)
    make_part(task)
    written = BuildFolder(task.out).part(0)
    image = Path(next(path for _, path, _ in task.candidates.images))
    touch(image, written, -5)
    assert read_finished(task) is not None
    touch(image, written, 5)
    assert read_finished(task) is None
    image.unlink()
    assert read_finished(task) is None


def test_a_part_is_older_than_a_changed_download(build_plan, tmp_path):
    """The files of a service that downloads are compared as well, as far as they are on disk."""
    task = build_plan.task(0)
    make_part(task)
    written = BuildFolder(task.out).part(0)
    downloading = replace(task, service=Downloads(tmp_path))
    assert read_finished(downloading) is not None
    row = int(np.flatnonzero(task.candidates.counts)[0])
    candidate = task.candidates[row][0]
    path = tmp_path / f"{task.catalogue.names[row]}_{candidate.field}.fits"
    path.touch()
    touch(path, written, -5)
    assert read_finished(downloading) is not None
    touch(path, written, 5)
    assert read_finished(downloading) is None


def test_chunks_cover_a_task_once(build_plan, monkeypatch):
    """They start small, grow no more than twofold, and end where the task ends."""
    chunks = []

    def record(chunk, part_table):
        chunks.append((chunk.start, chunk.stop))
        return run_stages(chunk, part_table)

    run_stages = part_module._run_stages
    monkeypatch.setattr(part_module, "_run_stages", record)
    task = build_plan.task(0)
    make_part(task)
    lengths = [stop - start for start, stop in chunks]
    assert [row for start, stop in chunks for row in range(start, stop)] == list(range(len(task)))
    assert lengths[0] == FIRST_CHUNK_SOURCES
    assert all(after <= 2 * before for before, after in pairwise(lengths))


def test_a_chunk_has_the_candidates_of_its_sources(build_plan):
    """Its columns count from its own first source and first candidate."""
    task = build_plan.task(0)
    chunk = Chunk(task, 5, 17)
    assert len(chunk) == 12
    expected = task.candidates[5:17]
    assert np.diff(chunk.starts).tolist() == [len(candidates) for candidates in expected]
    fields = [chunk.field(index) for index in range(int(chunk.starts[-1]))]
    assert fields == [candidate.field for candidates in expected for candidate in candidates]
    sources = [chunk.names[row] for row in chunk.source_index]
    assert sources == [request.source.name for request in chunk.requests]
