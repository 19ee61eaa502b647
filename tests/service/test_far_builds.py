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
from mingolotss.io.byte_ranges import FileChangedError, FsspecFile
from mingolotss.io.range_plan import total_bytes, union
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


def test_a_build_from_an_object_store_is_that_from_the_disk(tmp_path, store):
    """In a request for hundreds of rows, not for each."""
    _, log = store
    expected = built(tmp_path / "local", write_near(tmp_path / "near"))
    before = len(re.findall("GET /far/mosaics/P1", log.read_text()))
    assert built(tmp_path / "far", "mosaics:s3://far/mosaics") == expected
    assert pixels(tmp_path / "far") == pixels(tmp_path / "local")
    gets = len(re.findall("GET /far/mosaics/P1", log.read_text())) - before
    assert gets <= 1000  # 79 cutouts of 130 rows, in two maps: 20,000 rows


def test_an_object_that_changes_or_disappears_is_one_line(store):
    filesystem, _ = store
    filesystem.pipe_file("far/one", bytes(range(256)) * 40)
    file = FsspecFile("s3://far/one")
    assert file.read_start(4) == b"\0\1\2\3"
    (request,) = file.plan(np.array([[10, 20], [30, 50]]))
    assert file.read_ranges(request)[0][:10] == bytes(range(10, 20))
    filesystem.pipe_file("far/one", bytes(10_240))
    with pytest.raises(FileChangedError, match="changed after its header was read"):
        file.read_ranges(request)
    filesystem.rm_file("far/one")
    with pytest.raises(ImageError, match="open s3://far/one: there is no such file"):
        file.read_ranges(request)
