"""What a finished build holds, ready to be shown: tables, flags, neighbours, decisions.

The tables stay columns, so that a hundred thousand sources are a few tens of megabytes and a
filter is one comparison of arrays.

>>> [name for name, _ in REASONS][:3]
['undecided', 'recentred', 'exceeds_stamp']
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.dataset.manifest import read_manifest
from mingolotss.dataset.provenance import Settings, read_settings
from mingolotss.errors import DatasetError
from mingolotss.io.parquet import read_table
from mingolotss.model import Bools, Candidate, Ints, Source
from mingolotss.recipe.model import Recipe
from mingolotss.sky.angles import separation_arcsec
from mingolotss.sky.neighbours import overlaps

__all__ = ["REASONS", "Contents", "Offer", "Pairs"]


REASONS = (
    ("undecided", "no rule chooses between its fields and nobody has decided"),
    ("recentred", "cut short or off centre, put back in the middle"),
    ("exceeds_stamp", "larger than the stamp"),
    ("blank", "nothing above the noise"),
    ("neighbours", "another source lies in its stamp"),
    ("rejected", "has no stamp"),
)
"""Why a source wants a look, and in which words."""

_USABLE_VERDICTS = {"", "chosen", "not chosen"}  # any other is the reason why it is not usable


@dataclass(frozen=True, slots=True)
class Offer:
    """One image that was on offer for a source, as ``candidates.parquet`` has it."""

    candidate: Candidate
    separation_arcsec: float | None
    percent_nan: float | None
    verdict: str

    @property
    def usable(self) -> bool:
        """Return whether it can be accepted."""
        return self.verdict in _USABLE_VERDICTS


@dataclass(frozen=True)
class Pairs:
    """Sources that share pixels: rows of the manifest, and how far apart they are.

    Attributes
    ----------
    rows : int64 array, shape (n, 2)
    arcsec : float64 array, shape (n,)
    inside : bool array, shape (n,)
        Whether each lies in the other's stamp: nearer than half of it.
    """

    rows: Ints
    arcsec: npt.NDArray[np.float64]
    inside: Bools


@dataclass(frozen=True)
class Contents:
    """A finished build.

    Attributes
    ----------
    folder : Path
    settings : Settings
    manifest : Table
        One row per catalogue row, in order: the index of a row here is its catalogue row.
    decisions : Path
        The ``decisions.csv`` that goes with it.
    """

    folder: Path
    settings: Settings
    manifest: pa.Table
    decisions: Path

    @classmethod
    def read(
        cls, folder: Path | str, *, decisions: Path | None = None, columns: Sequence[str] = ()
    ) -> Contents:
        """Read a build folder.

        Parameters
        ----------
        folder : Path
        decisions : Path, optional
            Instead of the folder's own.
        columns : sequence of str
            Only these of the manifest; all by default.

        Raises
        ------
        DatasetError
            There is no finished build in it, or it is damaged.
        """
        folder = Path(folder)
        settings = read_settings(folder)
        if settings is None:
            raise DatasetError(
                f"look into {folder}: there is no build in it (no recipe.toml); "
                f"make one: mingolotss build --out {folder}, or mingolotss demo"
            )
        manifest = read_manifest(folder, columns or None)
        if not np.array_equal(manifest["row"].to_numpy(), np.arange(len(manifest))):
            raise DatasetError(
                f"read {folder / 'manifest.parquet'}: its rows are not the catalogue's, from 0 in "
                "order; remove it and build again"
            )
        return cls(folder, settings, manifest, decisions or folder / "decisions.csv")

    @property
    def recipe(self) -> Recipe:
        """Return the recipe in force."""
        return self.settings.recipe

    @cached_property
    def packages(self) -> dict[str, str]:
        """Return the versions of what it was built with."""
        text = (self.folder / "recipe.toml").read_text(encoding="utf-8")
        found: dict[str, str] = tomllib.loads(text)["build"].get("packages", {})
        return found

    @cached_property
    def written(self) -> Bools:
        """Return which rows have a stamp."""
        return _array(pc.equal(self.manifest["status"], "written"))

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """Return the label of each row, -1 for none."""
        return _array(pc.fill_null(self.manifest["label"], -1)).astype(np.int64)

    @cached_property
    def flags(self) -> dict[str, Bools]:
        """Return, for each of `REASONS`, which rows it holds for."""
        found = {
            name: _array(pc.fill_null(self.manifest[name], False))
            for name in ("undecided", "recentred", "exceeds_stamp", "blank")
        }
        beside = np.zeros(len(self.manifest), bool)
        beside[self.pairs.rows[self.pairs.inside].ravel()] = True
        return found | {"neighbours": beside, "rejected": ~self.written}

    @cached_property
    def wanting(self) -> Bools:
        """Return which rows want a look for any reason."""
        found: Bools = np.logical_or.reduce(list(self.flags.values()))
        return found

    @cached_property
    def stamp_arcsec(self) -> float:
        """Return the side of a stamp on the sky, the median over the build."""
        scale = self.numbers("pixel_scale_arcsec")[self.written]
        return float(np.median(scale)) * self.recipe.stamp.pixels if scale.size else 0.0

    @cached_property
    def pairs(self) -> Pairs:
        """Return the sources that share pixels, nearest first."""
        ra, dec = self.numbers("ra"), self.numbers("dec")
        rows = overlaps(ra, dec, self.stamp_arcsec)
        one, two = rows[:, 0], rows[:, 1]
        arcsec = separation_arcsec(ra[one], dec[one], ra[two], dec[two])
        order = np.argsort(arcsec, kind="stable")
        return Pairs(rows[order], arcsec[order], arcsec[order] < self.stamp_arcsec / 2)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Return the row of every source's name."""
        return {name: row for row, name in enumerate(self.manifest["source"].to_pylist())}

    def find(self, name: str) -> int | None:
        """Return the row of a source, None if there is none of that name."""
        row: int = pc.index(self.manifest["source"], name).as_py()
        return None if row < 0 else row

    @cached_property
    def candidates(self) -> pa.Table:
        """Return every image on offer, sorted by row."""
        return read_table(self.folder / "candidates.parquet")

    @cached_property
    def _first_offer(self) -> npt.NDArray[np.int64]:
        rows = self.candidates["row"].to_numpy()
        found: npt.NDArray[np.int64] = np.searchsorted(rows, np.arange(len(self.manifest) + 1))
        return found

    def offers(self, row: int) -> list[Offer]:
        """Return the images on offer for a source, sorted by field."""
        start, stop = self._first_offer[row : row + 2].tolist()
        return [
            Offer(
                Candidate(one["field"], one["image"], one["rms"] or "", one["source"]),
                one["separation_arcsec"],
                one["percent_nan"],
                one["verdict"] or "",
            )
            for one in self.candidates.slice(start, stop - start).to_pylist()
        ]

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """Return a column of the manifest as float64, NaN where it is null."""
        return np.asarray(self.manifest[column].to_numpy(zero_copy_only=False), float)

    def record(self, row: int) -> dict[str, Any]:
        """Return one row of the manifest."""
        found: dict[str, Any] = self.manifest.slice(row, 1).to_pylist()[0]
        return found

    def records(self, rows: Sequence[int] | Ints) -> list[dict[str, Any]]:
        """Return rows of the manifest."""
        found: list[dict[str, Any]] = self.manifest.take(pa.array(rows, pa.int64())).to_pylist()
        return found

    def source(self, row: int) -> Source:
        """Return one row as the source that it is."""
        record = self.record(row)
        return Source(row, record["source"], record["ra"], record["dec"], record["label"])

    def standing(self) -> list[Decision]:
        """Return the decisions that stand now, those not yet built included."""
        return DecisionLog(self.decisions).standing()


def _array(column: Any) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return found
