"""How to split a dataset: the kind of split, its shares and its seed.

>>> plan = SplitPlan.parse("stratified:train=0.5,test=0.5,seed=3")
>>> plan.targets, plan.text
({'train': 0.5, 'test': 0.5}, 'stratified:train=0.5,test=0.5,seed=3')
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mingolotss.errors import InputError

__all__ = ["KINDS", "SplitPlan", "check_split_names"]

KINDS = (
    "published", "catalogue-order", "stratified", "k-fold", "blocks", "column", "file", "like",
)  # fmt: skip
_NAMED = {"column": "a column", "file": "a list", "like": "another dataset"}
_DEFAULT_SHARES: Mapping[str, float] = {"train": 0.8, "test": 0.2}
_DEFAULT_FOLDS = 5
_ROUNDING = 1e-6  # of the sum of shares
_IN_SHARES, _IN_FOLDS = ("stratified", "blocks"), ("k-fold", "blocks")
_OPTIONS = re.compile(r"(,\s*(seed|reach)\s*=[^,=]*)+\Z")  # at the end of a path with any commas


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How to split a dataset. The same plan always gives the same split of the same sources.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    shares : mapping of str to float
        The share of each split, in sum 1, if `kind` is "stratified" or "blocks".
    folds : int, optional
        The number of equal splits, called fold-0, fold-1..., if `kind` is "k-fold" (5 by default)
        or "blocks", which then has no other shares.
    seed : int
        Seed of the random order in which sources are assigned.
    reach_arcsec : float, optional
        Sources closer than this stay together, arcsec; by default, those whose stamps share pixels.
    argument : str
        The name of a column, the path of a list, or that of another dataset, if `kind` is "column",
        "file" or "like".
    buffer_arcsec : float, optional
        Sources of different splits are not closer than this, arcsec, if `kind` is "blocks"; by
        default they only share no pixels.

    Raises
    ------
    InputError
        An unknown kind, no column or path, shares that do not sum to 1, a name that no split can
        have, fewer than two folds, or a negative seed, reach or buffer.
    """

    kind: str = "published"
    shares: Mapping[str, float] = field(default_factory=lambda: _DEFAULT_SHARES)
    folds: int | None = None
    seed: int = 0
    reach_arcsec: float | None = None
    argument: str = ""
    buffer_arcsec: float | None = None

    def __post_init__(self) -> None:
        if self.kind == "k-fold" and self.folds is None:
            object.__setattr__(self, "folds", _DEFAULT_FOLDS)
        if self.kind not in KINDS:
            raise InputError(f"split: no kind {self.kind!r}; there are {', '.join(KINDS)}")
        if self.kind in _NAMED and not self.argument:
            raise InputError(f"split {self.kind!r}: name {_NAMED[self.kind]}: {self.kind}:NAME")
        total = sum(self.shares.values())
        if not abs(total - 1) <= _ROUNDING or not all(share > 0 for share in self.shares.values()):
            raise InputError(f"split: shares must be above 0 and sum to 1, not {total:g}")
        check_split_names(self.shares)
        if (self.folds is not None and self.folds < 2) or self.seed < 0:
            folds = "" if self.folds is None else f"folds={self.folds}, "
            raise InputError(
                f"split: {folds}seed={self.seed}; needs folds of 2 or more and a seed of 0 or more"
            )
        for name, arcsec in (("reach", self.reach_arcsec), ("buffer", self.buffer_arcsec)):
            if arcsec is not None and not 0 <= arcsec < math.inf:
                raise InputError(f"split: {name}={arcsec:g}; needs 0 arcsec or more")

    @classmethod
    def parse(cls, text: str) -> SplitPlan:
        """Read a plan as the command line gives it: ``stratified:train=0.7,test=0.3,seed=1``.

        The other kinds are ``k-fold:folds=10,seed=1``, ``blocks:train=0.8,test=0.2``,
        ``blocks:folds=5``, ``column:NAME``, ``file:LIST.csv``, ``like:OTHER``,
        ``like:OTHER,seed=1`` and ``published``; ``reach=`` and ``buffer=`` are in arcsec.

        Raises
        ------
        InputError
            A value is no number, or the plan is not valid.
        """
        kind, _, rest = text.partition(":")
        argument, values = "", dict[str, str]()
        if kind in _NAMED:
            argument, rest = _argument_of(kind, rest)
        for item in filter(None, rest.split(",")):
            name, _, value = item.partition("=")
            values[name.strip()] = value
        seed, folds = _integer(text, values.pop("seed", "0")), None
        if kind in _IN_FOLDS and "folds" in values:
            folds = _integer(text, values.pop("folds"))
        given = {name: _number(text, value) for name, value in values.items()}
        reach_arcsec = given.pop("reach", None)
        buffer_arcsec = given.pop("buffer", None) if kind == "blocks" else None
        if given and (kind not in _IN_SHARES or "folds" in given or folds is not None):
            raise InputError(f"split {text!r}: {kind} takes no {', '.join(given)}")
        return cls(
            kind, given or _DEFAULT_SHARES, folds, seed, reach_arcsec, argument, buffer_arcsec
        )

    @property
    def text(self) -> str:
        """Return the plan as `parse` reads it; manifests record it so."""
        if self.kind in ("published", "catalogue-order", "column", "file"):
            return ":".join(filter(None, (self.kind, self.argument)))
        if self.kind == "like":
            parts = [self.argument]
        elif self.folds is not None:
            parts = [f"folds={self.folds}"]
        else:
            parts = [f"{name}={_exact(share)}" for name, share in self.shares.items()]
        distances = (("reach", self.reach_arcsec), ("buffer", self.buffer_arcsec))
        given = [f"{name}={_exact(arcsec)}" for name, arcsec in distances if arcsec is not None]
        return f"{self.kind}:{','.join([*parts, f'seed={self.seed}', *given])}"

    @property
    def has_shares(self) -> bool:
        """Return whether the plan itself says how large each split is."""
        return self.kind in ("stratified", "k-fold", "blocks")

    @property
    def targets(self) -> dict[str, float]:
        """Return the share of each split by its name."""
        if self.folds is not None:
            return {f"fold-{fold}": 1 / self.folds for fold in range(self.folds)}
        return dict(self.shares) if self.kind in _IN_SHARES else {}


def _argument_of(kind: str, rest: str) -> tuple[str, str]:
    """Divide what follows the kind into a path and the options of ``like``."""
    if kind != "like":
        return rest.strip(), ""
    match = _OPTIONS.search(rest)
    return (rest[: match.start()].strip(), match[0]) if match else (rest.strip(), "")


def check_split_names(names: Iterable[str]) -> None:
    """Refuse names that `select` reads in another way, and folders that some disks cannot hold."""
    folded: dict[str, str] = {}
    for name in names:
        is_selection = name == "all" or name.startswith("not ") or "+" in name
        is_plain = name.isprintable() and name == name.strip() and not set(name) & set(",=")
        if not name or not is_plain or is_selection:
            raise InputError(
                f"split: a split cannot be called {name!r:.80}: a name is printable, has no comma, "
                "no '=' and no space at its ends, and load() reads 'all', 'not A' and 'A+B' as "
                "selections"
            )
        earlier = folded.setdefault(name.lower(), name)
        if earlier != name:
            raise InputError(
                f"split: the names {earlier!r} and {name!r} differ only in case, and would be one "
                "folder on many disks; choose others"
            )


def _integer(text: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise InputError(f"split {text!r}: {value!r} is no whole number") from None


def _exact(number: float) -> str:
    """Return the shortest text that reads as the same number."""
    return str(int(number)) if float(number).is_integer() else repr(number)


def _number(text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InputError(f"split {text!r}: {value!r} is no number") from None
