"""How many images have each flag of the manifest, and among how many this was looked at.

Report, dataset card and terminal state these numbers in these words. A check that nobody could
make, for example of sizes in a catalogue without sizes, gives no number.

>>> print(Count(3, 20, 20), Count(0, 0, 20, "size"), Count(3, 12, 20, "size"), sep="; ")
3; not known (no size is known); 3 of the 12 whose size is known
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mingolotss.io.arrow_values import fill_null, is_null, numpy_of
from mingolotss.model import Bools
from mingolotss.recipe.model import RecentreSettings

__all__ = ["Count", "count_flags", "is_checked"]


@dataclass(frozen=True, slots=True)
class Count:
    """The result of one check of a dataset.

    Attributes
    ----------
    number : int
        Images that have the flag.
    checked : int
        Images for which the check could be made.
    total : int
        All images.
    needs : str
        The value that the check needs.
    remark : str
        Why the number is 0 without a check of each image, in words.
    """

    number: int
    checked: int
    total: int
    needs: str = "value"
    remark: str = ""

    @property
    def is_known(self) -> bool:
        """Whether any image was looked at, or there was none to look at."""
        return self.checked > 0 or self.total == 0 or bool(self.remark)

    def __str__(self) -> str:
        if not self.is_known:
            return f"not known (no {self.needs} is known)"
        if self.remark:
            return f"{self.number:,} ({self.remark})"
        if self.checked < self.total:
            return f"{self.number:,} of the {self.checked:,} whose {self.needs} is known"
        return f"{self.number:,}"


def count_flags(written: pa.Table, recentre: RecentreSettings) -> dict[str, Count]:
    """Count the images with each flag.

    Parameters
    ----------
    written : Table
        The written rows of a manifest, with the columns of the flags, ``size_arcsec``,
        ``pixel_scale_arcsec`` and ``case``.
    recentre : RecentreSettings
        Of the recipe.

    Returns
    -------
    dict of str to Count
        ``recentred``, ``blank``, ``incomplete``, ``undecided`` and ``exceeds_stamp``.
    """
    total = len(written)
    counts = {}
    for name, needs in _NEEDS.items():
        checked = is_checked(written, name)
        number = int((checked & _flag(written, name)).sum())
        counts[name] = Count(number, int(checked.sum()), total, needs, "")
    several = _numbers(written, "case") > 0
    if total and not several.any() and counts["undecided"].checked:
        counts["undecided"] = Count(0, 0, total, remark="no source has several images")
    if total and not recentre.enabled and counts["recentred"].checked:
        counts["recentred"] = Count(0, 0, total, remark="the recipe does not recentre")
    return counts


_NEEDS = {
    "recentred": "position in the cutout",
    "blank": "range of values",
    "incomplete": "missing part",
    "undecided": "choice of field",
    "exceeds_stamp": "size",
}


def is_checked(written: pa.Table, flag: str) -> Bools:
    """Return for which rows a flag was looked at, bool array, shape (n,).

    Another program may leave a flag null. The size of a source must be known to be compared.
    """
    checked = ~is_null(written[flag])
    if flag == "exceeds_stamp":
        for name in ("size_arcsec", "pixel_scale_arcsec"):
            checked = checked & np.isfinite(_numbers(written, name))
    return checked


def _flag(table: pa.Table, name: str) -> Bools:
    return np.asarray(numpy_of(fill_null(table[name], False)), bool)


def _numbers(table: pa.Table, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(numpy_of(table[name]), float)
