"""``audit()``: what could make results with a dataset wrong, in one dataset or between several."""

from __future__ import annotations

import string
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from mingolotss.errors import InputError
from mingolotss.pipeline.progress import BuildProgress, no_progress
from mingolotss.qa.audit.between import check_between
from mingolotss.qa.audit.image_checks import AlikeImages, check_images, find_alike
from mingolotss.qa.audit.positions import PositionTable
from mingolotss.qa.audit.result import KINDS, Audit, AuditedDataset, Check
from mingolotss.qa.audit.samples import AuditSamples, AuditSettings, read_samples
from mingolotss.qa.audit.sky_checks import check_labels, check_positions, check_shared_pixels
from mingolotss.qa.audit.split_checks import (
    check_balance,
    check_classes,
    check_fields,
    split_rows,
)

__all__ = ["audit"]

_NO_PAIRS = np.empty((0, 2), np.int64)


def audit(
    dataset: Path | str,
    *others: Path | str,
    positions: Path | str | None = None,
    pixel_arcsec: float = 0.0,
    limit_arcsec: float = 0.0,
    images: bool = True,
    progress: BuildProgress | None = None,
) -> Audit:
    """Look for what could make results with a dataset wrong.

    Of each dataset: stamps that share pixels across splits, one position under two names, labels
    that disagree, equal images, images that are equal but for a turn or a mirror, classes that are
    missing from a split, and splits that differ in classes, flux or size. Of several datasets:
    shared sources, test sources of one in the training split of another, and labels that
    contradict each other. Nothing is written.

    Parameters
    ----------
    dataset : path
        A build, an export, or a folder of batches: everything that ``load`` reads.
    *others : path
        Datasets to compare it with, and with each other.
    positions : path, optional
        A table (CSV, FITS, VOTable, Parquet...) with the columns ``name``, ``ra`` and ``dec`` (deg,
        ICRS), for datasets without positions.
    pixel_arcsec : float, optional
        The pixel scale of datasets that do not say it.
    limit_arcsec : float, optional
        Positions that are closer are one; by default closer than the beam or two pixels, whichever
        is larger, and 5 arcsec where neither is known.
    images : bool
        Whether to read the images; without them, equal images and twins are not looked for.
    progress : callable, optional
        Called with the number of images that have been read, the number of all, and a word.

    Returns
    -------
    Audit
        The answer to each question in words, and the pairs of sources that were found.

    Raises
    ------
    DatasetError
        One of them is no dataset, or is damaged.
    InputError
        A dataset has no image, or a number is not positive.

    Examples
    --------
    >>> import mingolotss
    >>> result = mingolotss.audit("demo", images=False)
    >>> result.datasets[0].images
    118
    """
    settings = _settings(positions, pixel_arcsec, limit_arcsec)
    notify = progress or no_progress
    paths = [Path(path).expanduser() for path in (dataset, *others)]
    letters = _letters(len(paths))
    samples = [read_samples(path, settings) for path in paths]
    alike = None
    if images:
        alike = find_alike(samples, lambda done, total: notify(done, total, "reading images"))
    checks: list[Check] = []
    for number, (letter, one) in enumerate(zip(letters, samples, strict=True)):
        checks += _checks_of_one(one, letter, alike, number)
    for first, second in combinations(range(len(samples)), 2):
        both = letters[first], letters[second]
        same = None if alike is None else alike.between(first, second)
        obstacle = "" if alike is None else alike.not_compared.get((first, second), "")
        checks += check_between(samples[first], samples[second], both, same, obstacle)
    checks.sort(key=lambda one: (len(one.datasets), one.datasets, [*KINDS].index(one.kind)))
    audited = map(_describe, letters, samples)
    return Audit(tuple(audited), tuple(checks))


def _settings(
    positions: Path | str | None, pixel_arcsec: float, limit_arcsec: float
) -> AuditSettings:
    for name, value in (("pixel_arcsec", pixel_arcsec), ("limit_arcsec", limit_arcsec)):
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"audit: {name}={value:g}; give a positive number of arcsec")
    table = None if positions is None else PositionTable.read(Path(positions).expanduser())
    return AuditSettings(table, pixel_arcsec, limit_arcsec)


def _letters(count: int) -> Sequence[str]:
    if count > len(string.ascii_uppercase):
        raise InputError(f"audit: {count} datasets; give at most {len(string.ascii_uppercase)}")
    return string.ascii_uppercase[:count]


def _checks_of_one(
    samples: AuditSamples, letter: str, alike: AlikeImages | None, number: int
) -> list[Check]:
    of_images: list[Check] = []
    same = _NO_PAIRS
    if alike is not None:
        of_images, same = check_images(samples, letter, alike, number)
    return [
        *of_images,
        check_shared_pixels(samples, letter),
        check_positions(samples, letter),
        check_labels(samples, letter, same),
        check_classes(samples, letter),
        check_balance(samples, letter),
        check_fields(samples, letter),
    ]


def _describe(letter: str, samples: AuditSamples) -> AuditedDataset:
    counts = np.bincount(samples.split[samples.split >= 0], minlength=len(samples.splits))
    return AuditedDataset(
        letter,
        samples.path.resolve().name,
        samples.kind,
        len(samples),
        dict(zip(samples.splits, counts.tolist(), strict=True)),
        split_rows(samples),
        samples.positions.origin,
        samples.digest,
    )
