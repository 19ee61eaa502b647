"""Images of one dataset that are equal in every pixel.

Blank images, of one value only, are all alike and are no copies of each other; they are counted
apart. Images that are equal after a turn, a mirror or other noise are found by `twins`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from mingolotss.model import Bools, Ints
from mingolotss.pipeline.progress import BuildProgress
from mingolotss.qa.audit.images import blocks
from mingolotss.qa.audit.result import IDENTICAL, MAX_PAIRS, Check, Pair, plural
from mingolotss.qa.audit.samples import AuditSamples
from mingolotss.qa.audit.sky_checks import members

__all__ = ["ImageDigests", "check_identical", "digest_images"]


@dataclass(frozen=True, slots=True)
class ImageDigests:
    """A checksum of the pixels of each image.

    Attributes
    ----------
    digests : tuple of str
        "" for a blank image.
    blank : bool array, shape (n,)
        Whether all pixels of an image have one value, or none.
    """

    digests: tuple[str, ...]
    blank: Bools


def digest_images(samples: AuditSamples, progress: BuildProgress) -> ImageDigests:
    """Read all images, and return the checksums of their pixels.

    Raises
    ------
    DatasetError
        An image is damaged.
    """
    digests = [""] * len(samples)
    blank = np.zeros(len(samples), bool)
    for indices, images in blocks(samples.images):
        flat = images.reshape(len(images), -1)
        with_values = flat == flat[:, :1]
        if flat.dtype.kind == "f":
            with_values |= np.isnan(flat) & np.isnan(flat[:, :1])
        blank[indices] = with_values.all(axis=1)
        for index, image, is_blank in zip(
            indices.tolist(), flat, blank[indices].tolist(), strict=True
        ):
            if not is_blank:
                data = np.ascontiguousarray(image).tobytes()
                digests[index] = hashlib.blake2b(data, digest_size=16).hexdigest()
        progress(int(indices[-1]) + 1, len(samples), "reading images")
    return ImageDigests(tuple(digests), blank)


def check_identical(
    samples: AuditSamples, letter: str, digests: ImageDigests
) -> tuple[Check, tuple[Ints, Ints]]:
    """Find images that are equal in every pixel; also return the pairs, each with the first one."""
    places: dict[str, int] = {}
    firsts, copies = [], []
    for index, digest in enumerate(digests.digests):
        first = places.setdefault(digest, index) if digest else index
        if first != index:
            firsts.append(first)
            copies.append(index)
    one, other = np.array(firsts, np.int64), np.array(copies, np.int64)
    total, blank = len(copies), int(digests.blank.sum())
    sentence = (
        f"{plural(total, 'image is', 'images are')} equal to another in every pixel"
        if total
        else "no two images are equal in every pixel"
    )
    was = "was" if blank == 1 else "were"
    lines = (f"{plural(blank, 'image is', 'images are')} blank and {was} not compared",)
    shown = [members(samples, letter, rows[:MAX_PAIRS]) for rows in (one, other)]
    pairs = tuple(map(Pair, *shown))
    check = Check(IDENTICAL, (letter,), total, sentence, pairs, lines if blank else ())
    return check, (one, other)
