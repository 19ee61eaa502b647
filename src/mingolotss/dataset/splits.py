"""Divide sources into training and test sets, without dividing sources that share pixels.

Two stamps that overlap on the sky contain the same noise and the same neighbours, and sometimes the
source of each other. A network that was trained with one has seen a part of the other. Sources are
therefore grouped by overlap, chains included, and whole groups are assigned to a split. Not here:
the published split, which follows the batches (``publish/export.py``).

>>> plan = SplitPlan.parse("stratified:train=0.5,test=0.5,seed=3")
>>> ra, dec = np.array([10, 10.01, 40, 50, 60, 70.0]), np.zeros(6)  # the first two overlap
>>> names = plan.assign(np.array([0, 0, 0, 1, 1, 0]), ra, dec)
>>> names[0] == names[1], sorted(names.tolist())
(True, ['test', 'test', 'test', 'train', 'train', 'train'])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mingolotss.errors import InputError
from mingolotss.model import Ints
from mingolotss.sky.angles import Floats
from mingolotss.sky.neighbours import group_overlaps

__all__ = ["KINDS", "STAMP_ARCSEC", "SplitPlan"]

KINDS = ("published", "stratified", "k-fold")
STAMP_ARCSEC = 225.0
"""Diameter of a stamp, 150 pixels of 1.5 arcsec: closer stamps overlap if each is a disc."""
_DEFAULT_SHARES: Mapping[str, float] = {"train": 0.8, "test": 0.2}
_DEFAULT_FOLDS = 5
Names = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How to split a dataset. The same plan always gives the same split of the same sources.

    Parameters
    ----------
    kind : {"published", "stratified", "k-fold"}
    shares : mapping of str to float
        The share of each split, in sum 1, if `kind` is "stratified".
    folds : int
        The number of splits, called fold-0, fold-1..., if `kind` is "k-fold".
    seed : int
        Seed of the random order in which sources are assigned.
    reach_arcsec : float
        Sources closer than this share pixels: the diameter of a stamp, arcsec.

    Raises
    ------
    InputError
        An unknown kind, shares that do not sum to 1, a name that no split can have, fewer than two
        folds, or a negative seed or reach.
    """

    kind: str = "published"
    shares: Mapping[str, float] = field(default_factory=lambda: _DEFAULT_SHARES)
    folds: int = _DEFAULT_FOLDS
    seed: int = 0
    reach_arcsec: float = STAMP_ARCSEC

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"split: no kind {self.kind!r}; there are {', '.join(KINDS)}")
        total = sum(self.shares.values())
        if abs(total - 1) > 1e-6 or min(self.shares.values()) <= 0:
            raise InputError(f"split: shares must be above 0 and sum to 1, not {total:g}")
        _check_split_names(self.shares)
        if self.folds < 2 or self.seed < 0 or not self.reach_arcsec >= 0:
            raise InputError(
                f"split: folds={self.folds}, seed={self.seed}, reach={self.reach_arcsec:g}; needs "
                "folds of 2 or more, a seed and a reach (arcsec) of 0 or more"
            )

    @classmethod
    def parse(cls, text: str) -> SplitPlan:
        """Read a plan as the command line gives it: ``stratified:train=0.7,test=0.3,seed=1``.

        The other kinds are ``k-fold:folds=10,seed=1`` and ``published``; ``reach=`` is in arcsec.

        Raises
        ------
        InputError
            A value is no number, or the plan is not valid.
        """
        kind, _, rest = text.partition(":")
        values = {}
        for item in filter(None, rest.split(",")):
            name, _, value = item.partition("=")
            values[name.strip()] = _number(text, value)
        folds, seed = int(values.pop("folds", _DEFAULT_FOLDS)), int(values.pop("seed", 0))
        reach_arcsec = values.pop("reach", STAMP_ARCSEC)
        if values and kind != "stratified":
            raise InputError(f"split {text!r}: {kind} takes no {', '.join(values)}")
        return cls(kind, values or _DEFAULT_SHARES, folds, seed, reach_arcsec)

    @property
    def text(self) -> str:
        """Return the plan as `parse` reads it; manifests record it so."""
        if self.kind == "published":
            return "published"
        shares = [f"{name}={share:g}" for name, share in self.shares.items()]
        parts = shares if self.kind == "stratified" else [f"folds={self.folds}"]
        return f"{self.kind}:{','.join(parts)},seed={self.seed},reach={self.reach_arcsec:g}"

    @property
    def targets(self) -> dict[str, float]:
        """Return the share of each split by its name."""
        if self.kind == "k-fold":
            return {f"fold-{fold}": 1 / self.folds for fold in range(self.folds)}
        return dict(self.shares)

    def assign(self, labels: Ints, ra: Floats, dec: Floats) -> Names:
        """Return the name of each source's split.

        Parameters
        ----------
        labels : int array, shape (n,)
            Classes keep their shares in every split; -1, no label, counts as another class.
        ra, dec : float array, shape (n,), deg, ICRS

        Returns
        -------
        str array, shape (n,)

        Raises
        ------
        InputError
            The plan is "published", which follows the batches and not the sky.
        """
        if self.kind == "published":
            raise InputError("split 'published' follows the batches; it cannot be assigned")
        groups = group_overlaps(ra, dec, self.reach_arcsec)
        codes = np.unique(labels, return_inverse=True)[1].reshape(len(labels))
        rng = np.random.default_rng(self.seed)
        numbers = _assign(groups, codes, list(self.targets.values()), rng)
        return np.array(list(self.targets))[numbers]


def _check_split_names(names: Iterable[str]) -> None:
    """Refuse names that `select` reads in another way, and folders that some disks cannot hold."""
    folded: dict[str, str] = {}
    for name in names:
        is_selection = name == "all" or name.startswith("not ") or "+" in name
        if not name or name != name.strip() or set(name) & set(",=") or is_selection:
            raise InputError(
                f"split: a split cannot be called {name!r}: a name has no comma, no '=' and no "
                "space at its ends, and load() reads 'all', 'not A' and 'A+B' as selections"
            )
        earlier = folded.setdefault(name.lower(), name)
        if earlier != name:
            raise InputError(
                f"split: the names {earlier!r} and {name!r} differ only in case, and would be one "
                "folder on many disks; choose others"
            )


def _number(text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InputError(f"split {text!r}: {value!r} is no number") from None


def _assign(groups: Ints, codes: Ints, shares: list[float], rng: np.random.Generator) -> Ints:
    """Assign groups to splits so that each class is as near to its shares as whole groups allow.

    Parameters
    ----------
    groups, codes : int array, shape (n,)
        The group and the class of each source, both numbered from 0.
    shares : list of float
        The share of each split.

    Returns
    -------
    int64 array, shape (n,)
        The number of each source's split.
    """
    # Each split has a quota of sources of each class. Groups of several sources are assigned first,
    # the largest first, each to the split that lacks most of its classes relative to its share. The
    # single sources, nearly all of a catalogue, then fill what remains of the quotas exactly.
    remaining = _quotas(np.bincount(codes), shares)
    split_of = np.full(len(codes), -1, np.int64)
    sizes = np.bincount(groups, minlength=1)
    order = rng.permutation(np.flatnonzero(sizes > 1))
    members = _members(groups)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        rows = members[group]
        lack = remaining[:, codes[rows]].sum(axis=1) / np.asarray(shares)
        split_of[rows] = split = int(np.argmax(lack))
        np.subtract.at(remaining[split], codes[rows], 1)
    for code in range(remaining.shape[1]):
        rows = rng.permutation(np.flatnonzero((codes == code) & (split_of < 0)))
        split_of[rows] = np.repeat(np.arange(len(shares)), _fill(remaining[:, code], len(rows)))
    return split_of


def _members(groups: Ints) -> list[Ints]:
    """Return the sources of each group."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.cumsum(np.bincount(groups, minlength=1))[:-1])


def _quotas(counts: Ints, shares: list[float]) -> Ints:
    """Divide each class into whole sources by the largest remainder; shape (splits, classes)."""
    # Largest remainder: each quota is rounded down, and the sources that remain go to the splits
    # that lost most. In floating point 0.29 * 100 is just below 29; the 1e-9 keeps it at 29.
    exact = np.outer(shares, counts)
    quotas = np.floor(exact + 1e-9).astype(np.int64)
    for code, remainder in enumerate(counts - quotas.sum(axis=0)):
        quotas[np.argsort(quotas[:, code] - exact[:, code], kind="stable")[:remainder], code] += 1
    return quotas


def _fill(remaining: Ints, count: int) -> Ints:
    """Return how many of `count` single sources each split gets, in sum exactly `count`."""
    sources = np.maximum(remaining, 0)
    # If a group has overfilled a split, the splits that lack most get fewer.
    while (excess := int(sources.sum()) - count) > 0:
        largest = np.argsort(-sources, kind="stable")[: min(excess, int((sources > 0).sum()))]
        sources[largest] -= 1
    sources[0] += -excess
    return sources
