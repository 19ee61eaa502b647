"""How far people agree: Cohen's and Fleiss' kappa, and Krippendorff's alpha, for nominal answers.

All take answers as integers from 0 and correct the observed agreement for the one that chance would
give. Where chance alone gives complete agreement, for example if everybody always gives the same
answer, they are undefined and the result is None.

>>> cohen_kappa(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
0.5
>>> cohen_kappa(np.array([0, 0]), np.array([0, 0])) is None
True
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mingolotss.model import Ints

__all__ = ["cohen_kappa", "confusion", "fleiss_kappa", "krippendorff_alpha", "observed_agreement"]

_Counts = npt.NDArray[np.integer]


def confusion(first: _Counts, second: _Counts, count: int) -> Ints:
    """Return how often one person gives an answer where another one gives another.

    Parameters
    ----------
    first, second : int array, shape (n,)
        The answers of two people on the same sources, from 0 to ``count - 1``.
    count : int
        The number of answers.

    Returns
    -------
    int64 array, shape (count, count)
        The rows are those of `first`.
    """
    pairs = np.bincount(first.astype(np.int64) * count + second, minlength=count * count)
    return pairs.astype(np.int64).reshape(count, count)


def cohen_kappa(first: _Counts, second: _Counts) -> float | None:
    """Return Cohen's kappa of two people (Cohen 1960, Educ. Psychol. Meas. 20, 37).

    Parameters
    ----------
    first, second : int array, shape (n,)
        The answers of two people on the same sources, from 0.

    Returns
    -------
    float or None
        1 for complete agreement, 0 for that of chance; None if it is undefined: there is no source,
        or both people gave one and the same answer throughout.
    """
    n = len(first)
    if not n:
        return None
    count = int(max(first.max(), second.max())) + 1
    table = confusion(first, second, count)
    # In whole numbers until the division: the comparison with complete chance agreement is exact.
    agreeing = n * int(np.trace(table))
    chance = int((table.sum(axis=0) * table.sum(axis=1)).sum())
    return None if chance == n * n else (agreeing - chance) / (n * n - chance)


def observed_agreement(counts: _Counts) -> npt.NDArray[np.float64]:
    """Return the fraction of the pairs of people who agree on each source, shape (n,).

    Parameters
    ----------
    counts : int array, shape (n, answers)
        How many people gave each answer; at least two for each source.
    """
    people = counts.sum(axis=1)
    pairs: npt.NDArray[np.float64] = (counts * (counts - 1)).sum(axis=1) / (people * (people - 1))
    return pairs


def fleiss_kappa(counts: _Counts) -> float | None:
    """Return Fleiss' kappa (Fleiss 1971, Psychol. Bull. 76, 378).

    Parameters
    ----------
    counts : int array, shape (n, answers)
        How many people gave each answer to each source; the same number for each source, at least
        two, who need not be the same people.

    Returns
    -------
    float or None
        None if it is undefined: there is no source, or all answers are the same.

    Raises
    ------
    ValueError
        The sources have different numbers of people, or fewer than two.
    """
    if not len(counts):
        return None
    people = counts.sum(axis=1)
    if people[0] < 2 or (people != people[0]).any():
        raise ValueError("Fleiss' kappa needs the same number of people for each source, 2 or more")
    totals, n = counts.sum(axis=0), int(people.sum())
    if totals.max() == n:
        return None
    chance = int((totals**2).sum()) / n**2
    return float((observed_agreement(counts).mean() - chance) / (1 - chance))


def krippendorff_alpha(counts: _Counts) -> float | None:
    """Return Krippendorff's alpha for nominal answers.

    As in Krippendorff (2004), "Content Analysis", chapter 11. It takes sources with different
    numbers of people; one with a single person has no pair and does not count.

    Parameters
    ----------
    counts : int array, shape (n, answers)
        How many people gave each answer to each source.

    Returns
    -------
    float or None
        None if it is undefined: no source has two people, or all answers are the same.
    """
    counts = counts[counts.sum(axis=1) >= 2]
    totals = counts.sum(axis=0)
    n = int(totals.sum())
    if not n or totals.max() == n:
        return None
    people = counts.sum(axis=1)
    # In the matrix of coincidences, each source has the weight of its people.
    observed = float((people * (1 - observed_agreement(counts))).sum()) / n
    expected = (n**2 - int((totals**2).sum())) / (n * (n - 1))
    return 1 - observed / expected
