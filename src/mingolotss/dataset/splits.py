"""Who trains and who tests: splits that keep sources which share pixels on one side.

Two stamps that overlap on the sky hold the same noise, the same neighbours, sometimes each
other's source. A network that saw one in training has seen part of the other. So sources are
grouped by overlap, chains included, and whole groups are dealt out. What is not here: reading
and writing manifests (``manifest.py``), the published batches' order (`published_split` only
repeats it).

>>> plan = SplitPlan.parse("stratified:train=0.5,test=0.5,seed=3")
>>> ra, dec = np.array([10, 10.01, 40, 50, 60, 70.0]), np.zeros(6)  # the first two overlap
>>> names = plan.assign(np.array([0, 0, 0, 1, 1, 0]), ra, dec)
>>> names[0] == names[1], sorted(names.tolist())
(True, ['test', 'test', 'test', 'train', 'train', 'train'])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mingolotss.errors import InputError
from mingolotss.model import Ints
from mingolotss.sky.neighbours import group_overlaps

__all__ = ["KINDS", "STAMP_ARCSEC", "SplitPlan", "published_split"]

KINDS = ("published", "stratified", "k-fold")
STAMP_ARCSEC = 225.0  # 150 pixels of 1.5": two stamps, each a disc, overlap when closer than this
_DEFAULT = {"train": 0.8, "test": 0.2}
Names = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How to split; the same plan on the same sources gives the same split, always.

    Parameters
    ----------
    kind : {"published", "stratified", "k-fold"}
    shares : mapping of str to float
        Of a stratified split: name to share, in sum 1.
    folds : int
        Of a k-fold split; the splits are called fold-0, fold-1...
    seed : int
    reach_arcsec : float
        Sources closer than this share pixels: the diameter of a stamp.

    Raises
    ------
    InputError
        An unknown kind, shares that do not sum to 1, fewer than two folds.
    """

    kind: str = "published"
    shares: Mapping[str, float] = field(default_factory=lambda: dict(_DEFAULT))
    folds: int = 5
    seed: int = 0
    reach_arcsec: float = STAMP_ARCSEC

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"split: no kind {self.kind!r}; there are {', '.join(KINDS)}")
        total = sum(self.shares.values())
        if abs(total - 1) > 1e-6 or min(self.shares.values()) <= 0:
            raise InputError(f"split: shares must be above 0 and sum to 1, not {total:g}")
        if self.folds < 2 or self.seed < 0 or not self.reach_arcsec >= 0:
            raise InputError(
                f"split: folds={self.folds}, seed={self.seed}, reach={self.reach_arcsec:g}; needs "
                "folds of 2 or more, a seed and a reach (arcsec) of 0 or more"
            )

    @classmethod
    def parse(cls, text: str) -> SplitPlan:
        """Read a plan as the command line gives it: ``stratified:train=0.7,test=0.3,seed=1``.

        ``k-fold:folds=10,seed=1`` and ``published`` are the others; ``reach=`` is in arcsec.
        """
        kind, _, rest = text.partition(":")
        values = {}
        for item in filter(None, rest.split(",")):
            name, _, value = item.partition("=")
            values[name.strip()] = _number(text, value)
        named = {key: values.pop(name, None) for name, key in _KEYS.items()}
        settings: dict[str, Any] = {
            key: value if key == "reach_arcsec" else int(value)
            for key, value in named.items()
            if value is not None
        }
        if values:
            if kind != "stratified":
                raise InputError(f"split {text!r}: {kind} takes no {', '.join(values)}")
            settings["shares"] = values
        return cls(kind, **settings)

    @property
    def text(self) -> str:
        """Write the plan so that `parse` reads it back: what manifests record."""
        if self.kind == "published":
            return "published"
        shares = [f"{name}={share:g}" for name, share in self.shares.items()]
        own = shares if self.kind == "stratified" else [f"folds={self.folds}"]
        return f"{self.kind}:{','.join(own)},seed={self.seed},reach={self.reach_arcsec:g}"

    @property
    def targets(self) -> dict[str, float]:
        """Give each split's name and share."""
        if self.kind == "k-fold":
            return {f"fold-{fold}": 1 / self.folds for fold in range(self.folds)}
        return dict(self.shares)

    def assign(self, labels: Ints, ra: npt.NDArray[Any], dec: npt.NDArray[Any]) -> Names:
        """Name the split of every source.

        Parameters
        ----------
        labels : int array, shape (n,)
            Classes keep their shares in every split; -1, no label, counts as one more class.
        ra, dec : float array, shape (n,), deg, ICRS

        Returns
        -------
        str array, shape (n,)

        Raises
        ------
        InputError
            The plan is "published", which goes by catalogue row: see `published_split`.
        """
        if self.kind == "published":
            raise InputError("split 'published' goes by catalogue row: use published_split")
        groups = group_overlaps(ra, dec, self.reach_arcsec)
        codes = np.unique(labels, return_inverse=True)[1].reshape(len(labels))
        rng = np.random.default_rng(self.seed)
        dealt = _deal(groups, codes, list(self.targets.values()), rng)
        return np.array(list(self.targets))[dealt]


_KEYS = {"folds": "folds", "seed": "seed", "reach": "reach_arcsec"}


def _number(text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InputError(f"split {text!r}: {value!r} is no number") from None


def published_split(rows: Ints, total: int) -> Names:
    """Name the split of catalogue rows as the published dataset does, by their order.

    Five batches of ``total * 1000 // 5805`` rows train, the rest tests. It is not grouped.
    """
    per = max(1, total * 1000 // 5805)
    return np.where(np.asarray(rows) < 5 * per, "train", "test")


def _deal(groups: Ints, codes: Ints, shares: list[float], rng: np.random.Generator) -> Ints:
    """Deal groups to splits so that each class comes as near its shares as whole groups allow.

    Groups of several go first, largest first, each to the split that lacks its classes most;
    single sources, nearly all, then fill what each class still lacks, exactly.
    """
    lacking = _quotas(np.bincount(codes), shares)
    dealt = np.full(len(codes), -1, np.int64)
    sizes = np.bincount(groups, minlength=1)
    order = rng.permutation(np.flatnonzero(sizes > 1))
    members = _members(groups)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        rows = members[group]
        wants = lacking[:, codes[rows]].sum(axis=1) / np.asarray(shares)
        dealt[rows] = best = int(np.argmax(wants))
        np.subtract.at(lacking[best], codes[rows], 1)
    for code in range(lacking.shape[1]):
        rows = rng.permutation(np.flatnonzero((codes == code) & (dealt < 0)))
        dealt[rows] = np.repeat(np.arange(len(shares)), _fill(lacking[:, code], len(rows)))
    return dealt


def _members(groups: Ints) -> list[Ints]:
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.cumsum(np.bincount(groups, minlength=1))[:-1])


def _quotas(counts: Ints, shares: list[float]) -> Ints:
    """Share out each class in whole sources, largest remainder first; shape (splits, classes)."""
    exact = np.outer(shares, counts)
    quotas = np.floor(exact + 1e-9).astype(np.int64)
    for code, left in enumerate(counts - quotas.sum(axis=0)):
        quotas[np.argsort(quotas[:, code] - exact[:, code], kind="stable")[:left], code] += 1
    return quotas


def _fill(lacking: Ints, count: int) -> Ints:
    """Say how many of `count` single sources each split gets, in sum exactly `count`."""
    share = np.maximum(lacking, 0)
    while (over := int(share.sum()) - count) > 0:  # a group overfilled a split: others give way
        share[np.argsort(-share, kind="stable")[: min(over, int((share > 0).sum()))]] -= 1
    share[0] += -over
    return share
