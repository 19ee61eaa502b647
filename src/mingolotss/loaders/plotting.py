"""``plot()``: stamps of any dataset with their names and classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mingolotss.errors import InputError
from mingolotss.loaders.arrays import open_samples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Plotted", "plot"]


class Plotted(Protocol):
    """A dataset that is open: `MingoLoTSS`, `MingoSequence`, or what ``load`` returns."""

    def plot(
        self, n: int | Sequence[int] = 12, *, columns: int | None = None, seed: int | None = None
    ) -> Figure:
        """Draw samples."""


def plot(
    dataset: str | Path | Plotted,
    n: int | Sequence[int] = 12,
    *,
    split: str = "all",
    columns: int | None = None,
    seed: int | None = None,
) -> Figure:
    """Draw stamps of a dataset with the name of the source and the class above each.

    Parameters
    ----------
    dataset : path or dataset
        A path as for `load`; or a dataset that is open, whose `split` is then its own.
    n : int or sequence of int
        How many stamps, of all classes in turn; or the indices of those to draw.
    split : str
        As for `load`.
    columns : int, optional
        Stamps in a row; by default up to six.
    seed : int, optional
        Choose stamps at random; by default the first of each class.

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it; in a script, ``figure.savefig("stamps.png")`` or ``plt.show()``.

    Raises
    ------
    DatasetError
        There is no dataset, or it is damaged.
    InputError
        matplotlib is not installed, the dataset has no such split, or `n` is no number and no
        indices.

    Examples
    --------
    >>> import mingolotss
    >>> figure = mingolotss.plot("demo", 6, split="train")
    >>> figure.savefig("stamps.png")
    """
    if isinstance(dataset, str | Path):
        return open_samples(dataset, split).plot(n, columns=columns, seed=seed)
    if split != "all" or not hasattr(dataset, "plot"):
        raise InputError(
            f"plot {type(dataset).__name__}: give the path of a dataset, or a dataset without split"
        )
    return dataset.plot(n, columns=columns, seed=seed)
