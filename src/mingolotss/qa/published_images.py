"""Compare images with rows of a published list: by name, then labels, pixels and order.

>>> from mingolotss.recipe.published_list import read_list
>>> print(all_absent(read_list("frdeep", "first_sha256"), [0, 1]).reason)
2 of 2 images absent ('3C 294_II', '4C -02.61_II')
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from mingolotss.dataset.samples import Arrays
from mingolotss.recipe.published_list import PublishedList, pixels_sha256

__all__ = ["ImageComparison", "all_absent", "all_equal", "compare_images"]

_MAX_SHOWN = 3


@dataclass(frozen=True, slots=True)
class ImageComparison:
    """The images of a file, or of a dataset, beside the published ones.

    Attributes
    ----------
    published : int
        Number of published images.
    different, absent, extra, relabelled : tuple of str
        Names of the images with other pixels, of those that are not here, of those that are not
        published (or come a second time), and of those with another label.
    in_order : bool
        Whether the images that are here have the published order.
    knows_pixels : bool
        Whether the published pixels are known.
    unnamed : int
        Number of images without a name, which cannot be compared.
    elsewhere, misplaced : tuple of str
        Of a batch: names of its published images that are in another batch, and of the images in
        it that are published in another batch.
    """

    published: int
    different: tuple[str, ...]
    absent: tuple[str, ...]
    extra: tuple[str, ...]
    relabelled: tuple[str, ...]
    in_order: bool
    knows_pixels: bool
    unnamed: int = 0
    elsewhere: tuple[str, ...] = ()
    misplaced: tuple[str, ...] = ()

    @property
    def equal(self) -> int:
        """The number of published images that are here pixel for pixel; 0 if that is not known."""
        return self.knows_pixels * (self.published - len(self.different) - len(self.absent))

    @property
    def absences(self) -> int:
        """The number of absent images, if the images without a name are published ones."""
        return max(0, len(self.absent) - self.unnamed)

    def beside(self, others: Collection[str], published: Collection[str]) -> ImageComparison:
        """Return the comparison of one batch among others.

        Parameters
        ----------
        others : collection of str
            Names of the images in the other batches of the folder.
        published : collection of str
            Names of the images that are published in other batches.
        """
        return replace(
            self,
            absent=tuple(name for name in self.absent if name not in others),
            extra=tuple(name for name in self.extra if name not in published),
            elsewhere=tuple(name for name in self.absent if name in others),
            misplaced=tuple(name for name in self.extra if name in published),
        )

    @property
    def reason(self) -> str:
        """What differs, with the first names; "" if nothing does."""
        kinds = [
            ("with other pixels", self.different),
            ("absent", () if self.unnamed else self.absent),
            ("in another batch", self.elsewhere),
            ("with another label", self.relabelled),
        ]
        parts = [
            f"{len(names)} of {self.published} images {kind} ({_shown(names)})"
            for kind, names in kinds
            if names
        ]
        if self.unnamed:
            parts.insert(0, "its images have no names")
        if self.misplaced:
            parts.append(
                f"{len(self.misplaced)} published in another batch ({_shown(self.misplaced)})"
            )
        if self.extra:
            parts.append(f"{len(self.extra)} extra ({_shown(self.extra)})")
        if not parts and not self.in_order:
            parts.append("its images have another order")
        return "; ".join(parts)


def _shown(names: Sequence[str]) -> str:
    """Return the first names in quotation marks, and the number of the others."""
    more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return ", ".join(map(repr, names[:_MAX_SHOWN])) + more


def all_equal(images: PublishedList, rows: Sequence[int]) -> ImageComparison:
    """Return the comparison of published images that are all here, for example in an equal file."""
    return ImageComparison(len(rows), (), (), (), (), True, any(images.pixels_sha256))


def all_absent(images: PublishedList, rows: Sequence[int]) -> ImageComparison:
    """Return the comparison of published images that are not here."""
    names = tuple(images.names[row] for row in rows)
    return replace(all_equal(images, rows), absent=names)


def compare_images(
    parts: Sequence[Arrays], images: PublishedList, rows: Sequence[int], *, ordered: bool = True
) -> ImageComparison:
    """Compare the images of a dataset with rows of a published list.

    Parameters
    ----------
    parts : sequence of Arrays
        The dataset, or its batches.
    images : PublishedList
    rows : sequence of int
        The published images that the dataset should have, in their order.
    ordered : bool
        Whether the order counts.
    """
    expected = {images.names[row]: row for row in rows}
    places: dict[str, tuple[Arrays, int]] = {}
    extra = []
    for samples in parts:
        for index, name in enumerate(samples.sources):
            if name in expected and name not in places:
                places[name] = samples, index
            else:
                extra.append(name)
    present = [name for name in expected if name in places]
    different = [
        name
        for name in present
        for samples, index in [places[name]]
        if (published := images.pixels_sha256[expected[name]])
        and pixels_sha256(samples.images[index]) != published
    ]
    relabelled = [
        name
        for name in present
        for samples, index in [places[name]]
        if samples.labels[index] != images.labels[expected[name]]
    ]
    return ImageComparison(
        published=len(rows),
        different=tuple(different),
        absent=tuple(name for name in expected if name not in places),
        extra=tuple(extra),
        relabelled=tuple(relabelled),
        in_order=not ordered or list(places) == present,
        knows_pixels=any(images.pixels_sha256),
        unnamed=sum(len(samples) for samples in parts if not samples.sources),
    )
