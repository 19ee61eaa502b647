"""The demo: a simulated sky, the dataset made from it, and a picture of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mingolotss.loaders.arrays import load
from mingolotss.pipeline.build import Build, Mapper, Progress, build
from mingolotss.qa.report.montage import write_montage
from mingolotss.simulate import SkyModel, write_sky

__all__ = ["demo", "simulated_sky"]


def simulated_sky(out: Path, *, sources: int = 600, seed: int = 1) -> tuple[Path, str]:
    """Make the simulated sky of a build, or find it there; return its catalogue and service.

    Parameters
    ----------
    out : Path
        The build's folder; the sky is written to ``out/sky``.
    """
    sky = write_sky(SkyModel(seed=seed, sources=sources), out / "sky")
    return sky / "catalogue.fits", f"simulated:{sky}"


def demo(
    out: Path | str = "demo",
    *,
    sources: int = 600,
    seed: int = 1,
    mapper: Mapper = map,
    progress: Progress | None = None,
) -> Build:
    """Simulate a sky, build `mingolotss` from it and draw ``montage.png``; no network.

    Parameters
    ----------
    out : Path
    sources : int
        Galaxies in the catalogue.
    seed : int
        Another seed is another sky.
    mapper, progress
        As for `mingolotss.pipeline.build.run`.
    """
    out = Path(out)
    if progress:
        progress(0, sources, "simulating the sky")
    catalogue, service = simulated_sky(out, sources=sources, seed=seed)
    made = build(
        "mingolotss", out=out, catalogue=catalogue, service=service, mapper=mapper,
        progress=progress,
    )  # fmt: skip
    data = load(out, split="all")
    write_montage(out / "montage.png", np.asarray(data.images), data.labels, data.classes)
    return made
