"""Whole builds from mosaics at an address, over HTTP and from an object store."""

from __future__ import annotations

import re
from pathlib import Path

import fsspec
import numpy as np
import pytest

import far_mosaics as sky
import mingolotss
from compilers import needs_kernel
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import ImageError
from mingolotss.io import range_plan
from mingolotss.io.byte_ranges import FileChangedError
from mingolotss.io.range_plan import total_bytes, union
from mingolotss.io.store_ranges import StoreFile
from mingolotss.pipeline import part
from mingolotss.recipe.model import parse_recipe
from mingolotss.service.local import read_ahead
from mingolotss.sky.wcs import SkyWCS
from object_store import object_store

RECIPE = parse_recipe(
    {"name": "mine", "formats": ["parquet"], "steps": [{"do": "zero-nan"}],
     "images": {"size_arcmin": sky.SIDE * 1.5 / 60},
     "stamp": {"pixels": 40, "kind": "float32"}},
    "mine.toml",
)  # fmt: skip
FILES = {"P1-mosaic.fits": sky.plain(sky.noise(1)), "P1-mosaic-rms.fits": sky.plain(sky.noise(2))}


def catalogue() -> Catalogue:
    ra, dec = sky.places(80)
    return Catalogue.from_columns([f"S{row}" for row in range(80)], ra, dec)


def built(out: Path, service: str) -> dict[str, bytes]:
    """Build, and return the batches."""
    mingolotss.build(RECIPE, out=out, catalogue=catalogue(), service=service)
    return {path.name: path.read_bytes() for path in sorted(out.glob("**/batch*"))}


def write_near(folder: Path) -> str:
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return f"mosaics:{folder}"


def pixels(out: Path) -> list[tuple[str, str, str | None]]:
    rows = read_manifest(out).to_pylist()
    return [(row["source"], row["status"], row["pixels_sha256"]) for row in rows]


@pytest.mark.parametrize("ahead", [1 << 29, 10 * 2 * 4 * sky.SIDE**2])
def test_a_build_from_a_server_is_that_from_the_disk(tmp_path, monkeypatch, ahead):
    """Whether a part is read ahead at once or in runs of ten sources; resumed, it asks nothing."""
    monkeypatch.setattr(read_ahead, "_MOST_BYTES", ahead)
    monkeypatch.setattr(part, "FIRST_CHUNK_SOURCES", 3)
    expected = built(tmp_path / "local", write_near(tmp_path / "near"))
    with sky.far({f"/{name}": content for name, content in FILES.items()}) as place:
        address = f"mosaics:{place.url}"
        assert built(tmp_path / "far", address) == expected
        assert pixels(tmp_path / "far") == pixels(tmp_path / "local")
        spans = [span for path, spans in place.sent for span in spans if path == "/P1-mosaic.fits"]
        rows = np.array(sorted(spans)[2:])  # the header is read by the plan, and by the worker
        assert total_bytes(rows) <= 1.07 * total_bytes(union(rows))
        place.forget()
        built(tmp_path / "far", address)
        assert not place.nbytes or {spans[0][0] for _, spans in place.sent} <= {0}


@pytest.mark.parametrize("kind", ["plain", pytest.param("packed", marks=needs_kernel)])
def test_chunks_of_a_far_mosaic_are_as_long_as_those_of_a_near_one(tmp_path, monkeypatch, kind):
    """The copy of its parts is a mapped file too, and takes no memory; decoded tiles do."""
    lengths: list[int] = []

    def record(chunk, *arguments, **options):
        lengths.append(len(chunk))
        return run_stages(chunk, *arguments, **options)

    run_stages = part.run_stages
    monkeypatch.setattr(part, "run_stages", record)
    monkeypatch.setattr(part, "CHUNK_BYTES", 4 * 2 * 4 * sky.SIDE**2)
    rng = np.random.default_rng(4)
    x, y = (rng.uniform(sky.SIDE, side - sky.SIDE, 64) for side in sky.SHAPE[::-1])
    ra, dec = SkyWCS.from_header(sky.HEADER).to_sky(x, y)
    sources = Catalogue.from_columns([f"S{row}" for row in range(64)], ra, dec)
    files = {"/P1-mosaic.fits.fz": sky.packed(sky.noise(1))} if kind == "packed" else {
        f"/{name}": content for name, content in FILES.items()}  # fmt: skip
    with sky.far(files) as place:
        mingolotss.build(RECIPE, out=tmp_path, catalogue=sources, service=f"mosaics:{place.url}")
    assert sum(lengths) == 64
    assert (lengths == [8, 56]) == (kind == "plain")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A bucket on a real S3 server, and the file with a line for each request."""
    with object_store(tmp_path_factory.mktemp("s3"), "far") as server:
        filesystem = fsspec.filesystem("s3")
        for name, content in FILES.items():
            filesystem.pipe_file(f"far/mosaics/{name}", content)
        yield filesystem, server.log


def ranges_sent(log: Path, path: str) -> list[tuple[int, int]]:
    """Return the ranges of a file that were requested, ends excluded."""
    lines = re.findall(rf"RANGE {path} bytes=(\d+)-(\d+)\n", log.read_text())
    return sorted((int(first), int(last) + 1) for first, last in lines)


@pytest.mark.parametrize(
    ("kind", "mean_bytes"),
    [
        ("plain", 1 << 10),
        ("plain", 16 << 10),
        pytest.param("packed", 1 << 10, marks=needs_kernel),
    ],
)
def test_a_build_from_an_object_store_is_that_from_the_disk(
    tmp_path, store, monkeypatch, kind, mean_bytes
):
    """By the requests of the rule for one range in an answer: with few gaps, or few requests."""
    monkeypatch.setattr(range_plan, "_MEAN_BYTES", mean_bytes)
    filesystem, log = store
    expected = built(tmp_path / "local", write_near(tmp_path / "near"))
    files = dict(FILES)
    if kind == "packed":
        files = {"P1-mosaic.fits.fz": sky.packed(sky.noise(1))}
        for name, content in files.items():
            (tmp_path / "packed").mkdir(exist_ok=True)
            (tmp_path / "packed" / name).write_bytes(content)
            filesystem.pipe_file(f"far/packed/{name}", content)
        expected = built(tmp_path / "local-packed", f"mosaics:{tmp_path / 'packed'}")
    folder = {"plain": "mosaics", "packed": "packed"}[kind]
    before = {name: ranges_sent(log, f"/far/{folder}/{name}") for name in files}
    assert built(tmp_path / "far", f"mosaics:s3://far/{folder}") == expected
    for name, content in files.items():
        sent = ranges_sent(log, f"/far/{folder}/{name}")
        for span in before[name]:
            sent.remove(span)
        needed = sky.needed_bytes(content, 80)
        assert set(sky.joined(sky.ranges_of(needed), mean_bytes)) <= set(sent)
        pixels = [span for span in sent if span[1] > 16 * 2880]
        total = sum(stop - start for start, stop in pixels)
        assert mean_bytes > 1 << 10 or total <= 1.15 * int(needed.sum())


def test_an_object_that_changes_or_disappears_is_one_line(store):
    filesystem, _ = store
    filesystem.pipe_file("far/one", bytes(range(256)) * 40)
    file = StoreFile("s3://far/one")
    assert file.read_start(4) == b"\0\1\2\3"
    (request,) = file.plan(np.array([[10, 20], [30, 50]]))
    assert file.read_ranges(request)[0][:10] == bytes(range(10, 20))
    filesystem.pipe_file("far/one", bytes(10_240))
    with pytest.raises(FileChangedError, match="changed after its header was read"):
        file.read_ranges(request)
    filesystem.rm_file("far/one")
    with pytest.raises(ImageError, match="open s3://far/one: there is no such file"):
        file.read_ranges(request)
