"""A part is made again exactly when something that it depends on has changed."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.decisions import Decision
from mingolotss.dataset.layout import BuildFolder
from mingolotss.model import Candidate, Cutout
from mingolotss.pipeline import part as part_module
from mingolotss.pipeline.chunk import Chunk
from mingolotss.pipeline.part import (
    CHUNK_BYTES,
    FIRST_CHUNK_SOURCES,
    StageResults,
    make_part,
    read_finished,
)
from mingolotss.pipeline.plan import plan
from mingolotss.recipe.load import load_recipe
from mingolotss.simulate import SkyModel, write_sky
from skies import random_sky


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """40 sources with local images, some without any."""
    return random_sky(tmp_path_factory.mktemp("images") / "sky", 40, 1).folder


@pytest.fixture
def build_plan(images, tmp_path):
    """A plan of the 40 sources, with images of its own."""
    folder = shutil.copytree(images, tmp_path / "sky")
    return plan("mingolotss", catalogue=folder / "catalogue.fits", service=f"folder:{folder}",
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


def change_pixel(path: Path) -> None:
    """Change the last pixel of an image, and set the time that it had before."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=times)


def replace_by_an_older_file(path: Path) -> None:
    """Move an older file of the same size to the place of an image."""
    other = path.with_name("other")
    shutil.copy2(path, other)
    change_pixel(other)
    os.utime(other, (1, 1))
    other.replace(path)


def lead_to_another_folder(path: Path) -> None:
    """Let the name lead to a file in the folder of an older release."""
    older = path.parent / "older" / path.name
    older.parent.mkdir()
    shutil.copy2(path, older)
    change_pixel(older)
    path.unlink()
    path.symlink_to(older)


def cut_short(path: Path) -> None:
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    os.truncate(path, path.stat().st_size - 2880)
    os.utime(path, ns=times)


CHANGES = [change_pixel, replace_by_an_older_file, lead_to_another_folder, cut_short, Path.unlink]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("which", [1, 2], ids=["image", "rms map"])
def test_other_pixels_with_an_older_date_make_another_part(build_plan, change, which):
    """Dates alone do not tell files apart, and a copy of the same content is the same image."""
    task = build_plan.task(0)
    make_part(task)
    image = Path(next(images[which] for images in task.candidates.images))
    copy = image.with_name("copy")
    shutil.copy2(image, copy)
    copy.replace(image)
    assert read_finished(task) is not None
    change(image)
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
    shutil.copy(candidate.image, path)
    touch(path, written, -5)
    assert read_finished(downloading) is not None
    touch(path, written, 5)
    assert read_finished(downloading) is None
    path.write_bytes(b"another file")
    touch(path, written, -5)
    assert read_finished(downloading) is None


@pytest.fixture
def chunks(monkeypatch):
    """First and next row of every chunk that is made."""
    rows = []

    def record(chunk, part_table):
        rows.append((chunk.start, chunk.stop))
        return run_stages(chunk, part_table)

    run_stages = part_module._run_stages
    monkeypatch.setattr(part_module, "_run_stages", record)
    return rows


def test_chunks_cover_a_task_once(build_plan, chunks):
    """They start small, grow no more than twofold, and end where the task ends."""
    task = build_plan.task(0)
    make_part(task)
    lengths = [stop - start for start, stop in chunks]
    assert [row for start, stop in chunks for row in range(start, stop)] == list(range(len(task)))
    assert lengths[0] == FIRST_CHUNK_SOURCES
    assert all(after <= 2 * before for before, after in pairwise(lengths))


def test_the_next_part_of_a_build_begins_with_long_chunks(build_plan, chunks):
    """Its cutouts are like those of the part before. Its bytes do not depend on the chunks."""
    task = build_plan.task(0)
    rows = np.arange(len(task))
    first, second = task.take(rows[:24]), replace(task.take(rows[24:]), index=1)
    make_part(first)
    make_part(second)
    assert chunks == [(0, 8), (8, 24), (0, 16)]
    folder = BuildFolder(task.out)
    files = folder.part(1), folder.part_stamps(1)
    expected = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    other = second.recipe.changed({"stamp.pixels": 100})
    make_part(replace(second, recipe=other, index=2))  # another build begins with a short one
    make_part(second)
    assert chunks[3:] == [(0, 8), (8, 16)] * 2
    assert [path.read_bytes() for path in files] == expected


def test_a_part_after_a_crash_does_not_shorten_the_next(build_plan, chunks):
    """Its sources are alone in their chunks, and those of the next part are not."""
    task = build_plan.task(0)
    rows = np.arange(len(task))
    make_part(task.take(rows[:24]))
    make_part(replace(task.take(rows[24:26]), index=1, crashes={}))
    make_part(replace(task.take(rows[26:]), index=2))
    assert chunks[2:] == [(0, 1), (1, 2), (0, 14)]


@pytest.mark.parametrize(
    ("mapped", "held", "planes", "length"),
    [
        (True, 0, 1, 8 * 32),  # windows take no memory
        (True, 0, 0, 8 * 2),  # no cutout tells nothing of the next ones
        (False, 1, 1, 8 * 2),  # small ones tell little
        (False, 4 * CHUNK_BYTES, 1, 2),
        (False, 100 * CHUNK_BYTES, 1, 1),
    ],
)
def test_the_next_chunk_fits_into_memory(monkeypatch, mapped, held, planes, length):
    """It is as long as the bytes that this one took allow, and longer for mapped mosaics."""
    cutouts = CutoutArray(planes)
    plane = Cutout(np.zeros((20, 20), "f4"), None, None)
    if planes:
        corner = np.zeros(1, np.int64)
        cutouts.set_windows(np.arange(1), plane, y0=corner, x0=corner, ny=9, nx=9)
    measured = SimpleNamespace(cutouts=cutouts)
    results = StageResults(measured, None, None, {}, None)
    monkeypatch.setattr(StageResults, "nbytes", 0 if mapped else held)
    assert results.next_length(8) == length


def test_chunks_of_mapped_mosaics_are_long(tmp_path):
    """The cutouts of a plain recipe take no memory; those that are convolved do."""
    sky = write_sky(SkyModel(seed=5, sources=30), tmp_path / "sky")
    by_name = {}
    for name, changes in (("plain", {}), ("resampled", {"stamp": {"resample": "adaptive"}})):
        recipe = load_recipe("lotss").changed(changes)
        settings = {"catalogue": sky / "catalogue.fits", "service": f"mosaics:{sky}"}
        task = plan(recipe, out=tmp_path / name, **settings).task(0)
        results = part_module.run_stages(Chunk(task, 0, len(task)), with_planes=False)
        by_name[name] = results
        assert results.measured.cutouts.mapped
    plain, resampled = by_name["plain"], by_name["resampled"]
    single = [plane for index, plane in enumerate(plain.measured.cutouts.planes)
              if index not in plain.measured.cutouts.mapped]  # fmt: skip
    assert plain.nbytes == sum(
        one.image.nbytes + (0 if one.rms is None else one.rms.nbytes) for one in single
    ) + sum(noise.nbytes for noise in plain.stamps.placement.estimates.values())
    assert resampled.nbytes == resampled.measured.cutouts.nbytes > plain.nbytes


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
