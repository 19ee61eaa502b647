"""HATS collections of each kind of labels and images, for the tests of what reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import channel_builds
import mask_builds
from mingolotss.pipeline.exporting import export
from readers_build import make_build
from vector_builds import build_vectors, make_tags, make_votes


def _masks(folder: Path) -> Path:
    mask_builds.write_build(folder)
    return folder


def _channels(count: int, kind: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        channel_builds.write_build(folder, count, kind)
        return folder

    return write


KINDS: dict[str, Callable[[Path], Path]] = {
    "classes": make_build,
    "tags": lambda folder: build_vectors(folder, make_tags(np.random.default_rng(1))),
    "votes": lambda folder: build_vectors(folder, make_votes(np.random.default_rng(2))),
    "masks": _masks,
    "three channels": _channels(3, "uint8"),
    "two channels": _channels(2, "uint8"),
    "float channels": _channels(2, "float32"),
}


def write_collection(kind: str, folder: Path) -> Path:
    """Write a collection of small partitions, with a margin and an index."""
    build = KINDS[kind](folder / "built")
    out = folder / "collection"
    export(build, "hats", out, hats={"partition_rows": 5, "margin_arcsec": 3600.0})
    return out
