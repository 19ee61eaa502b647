"""A Zarr group from anywhere: what an export has is read, and everything else is one line."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mingolotss.errors import DatasetError
from mingolotss.formats.zarr import read_zarr
from zarr_files import IMAGES, LABELS, described, write, write_group


@pytest.fixture
def group(tmp_path):
    return write_group(tmp_path / "x.zarr")


def change(path: Path, **changes: object) -> None:
    """Change entries of a ``zarr.json``."""
    write(path, json.loads(path.read_bytes()) | changes)


def test_a_group_is_read_by_the_specification(group):
    """Chunks at the edge are cut off, and a chunk without a file has the fill value."""
    read = read_zarr(group)
    np.testing.assert_array_equal(read.images, IMAGES, strict=True)
    np.testing.assert_array_equal(read.labels, LABELS, strict=True)
    assert (read.classes, read.sources[3]) == (("A", "B"), "S3")
    (group / "images/c/1/0/0").unlink()
    assert not read_zarr(group).images[64:].any()
    change(group / "images/zarr.json", data_type="float32", fill_value="NaN")
    for file in (group / "images/c").rglob("0"):
        if file.is_file():
            file.unlink()
    assert np.isnan(read_zarr(group).images).all()


HOSTILE = {
    "format 2": lambda g: change(g / "zarr.json", zarr_format=2),
    "format 2 beside it": lambda g: (g / "images/zarr.json").rename(g / "images/.zarray"),
    "a codec of a plug-in": lambda g: change(
        g / "images/zarr.json", codecs=[{"name": "bytes"}, {"name": "numcodecs.pickle"}]
    ),
    "shards": lambda g: change(
        g / "images/zarr.json", codecs=[{"name": "sharding_indexed", "configuration": {}}]
    ),
    "big-endian": lambda g: change(
        g / "labels/zarr.json", codecs=[{"name": "bytes", "configuration": {"endian": "big"}}]
    ),
    "a storage transformer": lambda g: change(
        g / "images/zarr.json", storage_transformers=[{"name": "x"}]
    ),
    "texts as images": lambda g: change(g / "images/zarr.json", data_type="string"),
    "objects": lambda g: change(g / "labels/zarr.json", data_type="|O"),
    "labels of another length": lambda g: change(g / "labels/zarr.json", shape=[71]),
    "a negative side": lambda g: change(g / "images/zarr.json", shape=[-70, 8, 8]),
    "a side that is no number": lambda g: change(g / "images/zarr.json", shape=[70, 8.5, True]),
    "images that are 909 TiB": lambda g: [
        change(g / f"{name}/zarr.json", shape=shape)
        for name, shape in (("images", [10**9, 1000, 1000]), ("labels", [10**9]))
    ],
    "a chunk that is 909 TiB": lambda g: change(
        g / "images/zarr.json",
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [10**9, 1000, 1000]}},
    ),
    "no chunk": lambda g: change(
        g / "images/zarr.json",
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [0, 8, 8]}},
    ),
    "a bomb in a chunk": lambda g: write(
        g / "images/c/0/0/0", pa.compress(bytes(1 << 30), "zstd", asbytes=True)
    ),
    "a long chunk": lambda g: write(g / "labels/c/0", bytes(3 << 20)),
    "a short chunk": lambda g: write(
        g / "labels/c/0", pa.compress(bytes(69 * 8), "zstd", asbytes=True)
    ),
    "a damaged chunk": lambda g: write(g / "labels/c/0", b"x" * 100),
    "JSON nested deep": lambda g: write(g / "zarr.json", b"[" * 200_000 + b"]" * 200_000),
    "JSON that is a list": lambda g: write(g / "zarr.json", b"[]"),
    "JSON that is no UTF-8": lambda g: write(g / "zarr.json", b'{"\xff": 1}'),
    "no names": lambda g: change(g / "zarr.json", attributes={"classes": ["A", "B"]}),
    "classes that are numbers": lambda g: change(g / "zarr.json", attributes={"classes": [1, 2]}),
    "a pipe": lambda g: ((g / "labels/c/0").unlink(), os.mkfifo(g / "labels/c/0")),
    "a pipe of metadata": lambda g: ((g / "zarr.json").unlink(), os.mkfifo(g / "zarr.json")),
    "a folder in its place": lambda g: ((g / "zarr.json").unlink(), (g / "zarr.json").mkdir()),
    "a device": lambda g: link(g / "images/c/0/0/0", "/dev/zero"),
    "a file outside": lambda g: link(g / "labels/c/0", g.parent / "secret"),
    "a folder outside": lambda g: link(g / "images/more", g.parent),
    "a link to itself": lambda g: link(g / "images/loop", "loop"),
}


def link(path: Path, target: object) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(str(target))


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_group_is_one_line(group, attack):
    """No code of a plug-in, no file outside, no memory without end, no wait."""
    (group.parent / "secret").write_bytes(LABELS.astype("<i8").tobytes())
    attack(group)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DatasetError, match=f"^read {group}: not a whole Zarr export") as caught:
        read_zarr(group)
    assert str(caught.value).isprintable()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB


def test_consolidated_metadata_is_not_used(group):
    """It names paths, which could be of other arrays, or outside."""
    other = described((70,), "int64", (70,))
    metadata = {"images": other, "/etc": other, "../../x": other}
    change(group / "zarr.json", consolidated_metadata={"kind": "inline", "metadata": metadata})
    np.testing.assert_array_equal(read_zarr(group).images, IMAGES)
