"""The sources of a dataset, as columns.

`Catalogue` holds them; `mingolotss.catalogue.reading` makes one from a file, or from the names of
images.

>>> catalogue = Catalogue.from_columns(names=["A", "B"], ra=[10, 20], dec=[0, 1])
>>> len(catalogue), catalogue.source(1).name
(2, 'B')
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.catalogue.labels import UNLABELLED, Labels, name_rows
from mingolotss.catalogue.typed_columns import mark_kept
from mingolotss.errors import CatalogueError
from mingolotss.io.summaries import Shown, Summary, Table, count_text
from mingolotss.model import Floats, Source

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Catalogue"]


@dataclass(frozen=True, repr=False)
class Catalogue(Shown):
    """The sources as columns, in the order of the catalogue.

    Attributes
    ----------
    names : list of str, length n
        Each is unique.
    ra, dec : float64 array, shape (n,), deg, ICRS
        The positions.
    labels : int16 array, shape (n,)
        -1 in an unlabelled dataset, and for a source without a class.
    classes : tuple of str
        Name of label 0, 1, ...; empty in an unlabelled dataset.
    size_arcsec : float64 array, shape (n,), arcsec
        NaN where the catalogue has no value.
    flux_mjy : float64 array, shape (n,), mJy
        NaN where the catalogue has no value.
    field_hints : list of str, length n
        The field that the catalogue names for each source, "" where it names none.
    path, sha256 : str
        Of the file; "" for a catalogue that was not read from a file.
    kept : pyarrow.Table or None
        Further columns of the file, n rows, which go along into the manifest.
    precision_arcsec : float, arcsec
        The coarsest unit of the last digit among sexagesimal positions; NaN for other positions.
    vectors : LabelVectors or None
        The tags or votes of each source; None where a source has one class, or none.
    label_from : list of str, length n, or None
        Where the label of each source comes from; None where all come from the catalogue.
    left_out : tuple of (str, int)
        How many rows of the file are not in the catalogue, by the reason.
    notices : tuple of str
        One line for each kind of rows or columns of the file that are not used.

    Examples
    --------
    >>> import mingolotss
    >>> catalogue = mingolotss.read_catalogue("demo/sky/catalogue.fits")
    >>> len(catalogue), catalogue.ra.dtype
    (120, dtype('float64'))
    """

    names: list[str]
    ra: Floats
    dec: Floats
    labels: Labels
    classes: tuple[str, ...]
    size_arcsec: Floats
    flux_mjy: Floats
    field_hints: list[str]
    path: str = ""
    sha256: str = ""
    kept: pa.Table | None = None
    precision_arcsec: float = math.nan
    vectors: LabelVectors | None = None
    label_from: list[str] | None = None
    left_out: tuple[tuple[str, int], ...] = ()
    notices: tuple[str, ...] = ()

    @classmethod
    def from_columns(
        cls,
        names: Sequence[str],
        ra: npt.ArrayLike,
        dec: npt.ArrayLike,
        *,
        labels: npt.ArrayLike | None = None,
        classes: Sequence[str] = (),
        vectors: LabelVectors | None = None,
        label_from: Sequence[str] | None = None,
        size_arcsec: npt.ArrayLike | None = None,
        flux_mjy: npt.ArrayLike | None = None,
        field_hints: Sequence[str] = (),
        path: str = "",
        sha256: str = "",
        kept: pa.Table | None = None,
        precision_arcsec: float = math.nan,
    ) -> Catalogue:
        """Make a catalogue from columns, with the same checks as for a file.

        Parameters
        ----------
        names : sequence of str, length n
            Each is unique.
        ra, dec : array-like, shape (n,), deg, ICRS
            The positions.
        labels : array-like, shape (n,), optional
            Numbers of the classes; -1 for a source without a class.
        classes : sequence of str
            Name of label 0, 1, ...
        vectors : LabelVectors, optional
            The tags or votes of each source.
        label_from : sequence of str, length n, optional
            Where the label of each source comes from.
        size_arcsec, flux_mjy : array-like, shape (n,), optional
            Sizes, arcsec, and total flux densities, mJy; NaN where there is none.
        field_hints : sequence of str, length n
            The field that each source is in; empty for none.
        path, sha256 : str
            Of the file that the columns come from.
        kept : pyarrow.Table, optional
            Further columns, n rows, which go along into the manifest.
        precision_arcsec : float, arcsec
            The unit of the last digit of the positions, if it is known.

        Returns
        -------
        Catalogue
            With the columns as arrays.

        Raises
        ------
        CatalogueError
            There are no rows, a name is empty or repeated, a position is not on the sky, or a
            column has another length.

        Examples
        --------
        >>> from mingolotss import Catalogue
        >>> catalogue = Catalogue.from_columns(["a", "b"], [150, 150.2], [2, 2.1], flux_mjy=[3, 4])
        >>> catalogue.source(1).flux_mjy
        4.0
        """
        n = len(names)
        unknown = np.full(n, math.nan)
        catalogue = cls(
            names=list(names),
            ra=np.asarray(ra, float),
            dec=np.asarray(dec, float),
            labels=np.full(n, UNLABELLED, np.int16)
            if labels is None
            else np.asarray(labels, np.int16),
            classes=tuple(classes),
            vectors=vectors,
            label_from=None if label_from is None else list(label_from),
            size_arcsec=unknown if size_arcsec is None else np.asarray(size_arcsec, float),
            flux_mjy=unknown if flux_mjy is None else np.asarray(flux_mjy, float),
            field_hints=list(field_hints) or [""] * n,
            path=path,
            sha256=sha256,
            kept=None if kept is None else mark_kept(kept),
            precision_arcsec=precision_arcsec,
        )
        _check(catalogue)
        return catalogue

    def __len__(self) -> int:
        return len(self.names)

    def _summary(self) -> Summary:
        facts = {"file": self.path} if self.path else {}
        if len(self):
            facts["position"] = (
                f"RA {self.ra.min():.4g} to {self.ra.max():.4g}, "
                f"Dec {self.dec.min():.4g} to {self.dec.max():.4g} deg"
            )
        for name, values, unit in (
            ("size", self.size_arcsec, "arcsec"),
            ("flux", self.flux_mjy, "mJy"),
        ):
            known = values[np.isfinite(values)]
            if known.size:
                facts[name] = f"median {np.median(known):.3g} {unit}, of {known.size:,} sources"
        rows = [
            (label, name, count)
            for label, (name, count) in enumerate(zip(self.classes, self.counts(), strict=True))
        ]
        table = Table(("label", "class", "sources"), rows) if rows else None
        return Summary(f"Catalogue: {count_text(len(self), 'source')}", facts, table)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Return the row of every name."""
        return {name: row for row, name in enumerate(self.names)}

    @cached_property
    def _has_hints(self) -> bool:
        return any(self.field_hints)

    def source(self, row: int) -> Source:
        """Return one row.

        Parameters
        ----------
        row : int
            From 0.

        Returns
        -------
        Source
            The row.
        """
        return self.sources(slice(row, row + 1))[0]

    def sources(self, rows: slice, numbers: Iterable[int] | None = None) -> list[Source]:
        """Return consecutive rows.

        Parameters
        ----------
        rows : slice
            Without a step.
        numbers : iterable of int, optional
            The row numbers of the sources, if the rows were taken from a larger catalogue.

        Returns
        -------
        list of Source
            In the order of the rows.
        """
        columns = (
            range(len(self))[rows] if numbers is None else numbers,
            self.names[rows],
            self.ra[rows].tolist(),
            self.dec[rows].tolist(),
            [None if label == UNLABELLED else label for label in self.labels[rows].tolist()],
            self.size_arcsec[rows].tolist(),
            self.flux_mjy[rows].tolist(),
            self.field_hints[rows],
        )
        return [Source(*row) for row in zip(*columns, strict=True)]

    def head(self, limit: int | None) -> Catalogue:
        """Return the first `limit` rows; None returns all.

        Parameters
        ----------
        limit : int or None
            The number of rows.

        Returns
        -------
        Catalogue
            With these rows alone.
        """
        if limit is None or limit >= len(self):
            return self
        return self.take(np.arange(limit))

    def take(self, rows: npt.NDArray[np.int64]) -> Catalogue:
        """Return a catalogue of some rows, in the order of `rows`.

        Parameters
        ----------
        rows : int64 array, shape (k,)
            Their numbers, from 0.

        Returns
        -------
        Catalogue
            With these k rows.
        """
        indices = rows.tolist()
        return Catalogue(
            names=list(map(self.names.__getitem__, indices)),
            ra=self.ra[rows],
            dec=self.dec[rows],
            labels=self.labels[rows],
            classes=self.classes,
            vectors=None if self.vectors is None else self.vectors.take(rows),
            size_arcsec=self.size_arcsec[rows],
            flux_mjy=self.flux_mjy[rows],
            field_hints=(
                list(map(self.field_hints.__getitem__, indices))
                if self._has_hints
                else [""] * len(rows)
            ),
            path=self.path,
            sha256=self.sha256,
            kept=None if self.kept is None else self.kept.take(rows),
            precision_arcsec=self.precision_arcsec,
            label_from=(
                None if self.label_from is None else list(map(self.label_from.__getitem__, indices))
            ),
            left_out=self.left_out,
            notices=self.notices,
        )

    def counts(self) -> list[int]:
        """Return the number of sources of each class, in the order of the labels.

        A source with several tags is counted for each of them. Of votes, the class with the most
        counts.

        Returns
        -------
        list of int
            One for each class.
        """
        if self.vectors is not None and self.vectors.kind == "tags":
            return [int(count) for count in self.vectors.counts()]
        return [int(np.count_nonzero(self.labels == label)) for label in range(len(self.classes))]


def _check(catalogue: Catalogue) -> None:
    """Raise an error for the first thing that is wrong with the rows."""
    action = f"read the catalogue {catalogue.path}".rstrip()
    names = catalogue.names
    if not names:
        raise CatalogueError(f"{action}: it has no rows")
    for column in ("ra", "dec", "labels", "size_arcsec", "flux_mjy"):
        shape = np.shape(getattr(catalogue, column))
        if shape != (len(names),):
            raise CatalogueError(
                f"{action}: {column} has the shape {shape} where each of the {len(names)} sources "
                "needs one value"
            )
    vectors = catalogue.vectors
    if vectors is not None and vectors.values.shape != (len(names), len(catalogue.classes)):
        raise CatalogueError(
            f"{action}: the {vectors.kind} have the shape {vectors.values.shape}, and there are "
            f"{len(names)} sources and {len(catalogue.classes)} classes"
        )
    if catalogue.label_from is not None and len(catalogue.label_from) != len(names):
        raise CatalogueError(
            f"{action}: label_from has {len(catalogue.label_from)} values, and there are "
            f"{len(names)} sources"
        )
    if catalogue.kept is not None and len(catalogue.kept) != len(names):
        raise CatalogueError(
            f"{action}: kept has {len(catalogue.kept)} rows, and there are {len(names)} sources"
        )
    unnamed = [row for row, name in enumerate(names) if not name]
    if unnamed:
        raise CatalogueError(f"{action}: a source has no name: {name_rows(unnamed, names)}")
    if len(catalogue.row_of) != len(names):
        raise CatalogueError(
            f"{action}: {_name_repeated(names)}; every source needs a name of its own"
        )
    with np.errstate(invalid="ignore"):
        off = ~((np.abs(catalogue.dec) <= 90) & (catalogue.ra >= -180) & (catalogue.ra <= 360))
    if off.any():
        rows = np.flatnonzero(off).tolist()
        raise CatalogueError(
            f"{action}: {len(rows)} rows have no position on the sky (RA -180..360, DEC -90..90 "
            f"deg), e.g. RA={catalogue.ra[rows[0]]}, DEC={catalogue.dec[rows[0]]}: "
            f"{name_rows(rows, names)}"
        )


def _name_repeated(names: Sequence[str]) -> str:
    """Return the names that come more than once with their rows, for a message."""
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows_of.setdefault(name, []).append(row)
    repeated = [(name, rows) for name, rows in rows_of.items() if len(rows) > 1]
    shown = "; ".join(
        f"{name!r} in the rows {', '.join(str(row + 1) for row in rows[:3])}"
        + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")
        for name, rows in repeated[:3]
    )
    more = f" and {len(repeated) - 3} more" if len(repeated) > 3 else ""
    return f"{len(repeated)} names come more than once: {shown}{more}"
