"""The demo: a simulated sky, the dataset built from it, a montage of its images and its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import read_manifest
from mingolotss.loaders.arrays import load
from mingolotss.pipeline.executors.base import Mapper
from mingolotss.pipeline.inputs import write_simulated_sky
from mingolotss.pipeline.progress import BuildProgress, no_progress
from mingolotss.pipeline.run import Build, build
from mingolotss.qa.report.montage import write_montage
from mingolotss.qa.report.page import report

__all__ = ["demo"]

# Not that of the recipe, which belongs to the published catalogue: by the order of the rows, a
# small class may have no image for the test, and stamps of two splits share pixels.
_SPLIT = "stratified:train=0.8,test=0.2,seed=1"
_SCALE = "pixel_scale_arcsec"


def demo(
    out: Path | str = "demo",
    *,
    sources: int = 600,
    seed: int = 1,
    mapper: Mapper = map,
    progress: BuildProgress | None = None,
) -> Build:
    """Simulate a sky, build `mingolotss` from it and write its report, without a network.

    Each class is divided 80:20 into ``train`` and ``test``; sources that are closer than a stamp is
    wide stay together.
    ``montage.png`` shows images of each class, and ``report.html`` is the page of
    `mingolotss.report`.

    Parameters
    ----------
    out : path
        The build's folder.
    sources : int
        Number of galaxies in the catalogue.
    seed : int
        Seed of the random numbers; another seed gives another sky.
    mapper : callable
        As for `mingolotss.run`.
    progress : callable, optional
        As for `mingolotss.run`.

    Returns
    -------
    Build
        Its folder also has the sky, ``sky``.

    Examples
    --------
    >>> import mingolotss
    >>> mingolotss.demo("demo", sources=120)  # doctest: +SKIP
    Build: 118 images of 120 sources, 2 rejected
        out: demo
    """
    out = Path(out)
    catalogue, service = write_simulated_sky(
        out, sources=sources, seed=seed, progress=progress or no_progress
    )
    result = build(
        "mingolotss", out=out, catalogue=catalogue, service=service,
        settings={"split.plan": _SPLIT}, mapper=mapper, progress=progress,
    )  # fmt: skip
    data = load(out, split="all")
    scale = float(np.nanmedian(read_manifest(out, ["row", "source", "status", _SCALE])[_SCALE]))
    write_montage(
        BuildFolder(out).montage, np.asarray(data.images), data.labels, data.classes,
        pixel_arcsec=scale,
    )  # fmt: skip
    report(out)
    return result
