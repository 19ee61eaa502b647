"""Plan a build: which images each source has, and how the catalogue is divided into parts.

Planning reads the catalogue and searches the service; it reads no pixels. A `Plan` can be looked
at, and `mingolotss.pipeline.run` carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from astropy import units as u
from astropy_healpix import lonlat_to_healpix

from mingolotss.candidates.decisions import Decision, read_decisions
from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import CANDIDATES, REPEATED_COLUMNS
from mingolotss.dataset.products import remove_products
from mingolotss.dataset.provenance import (
    Provenance,
    check_same_build,
    read_provenance,
    write_provenance,
)
from mingolotss.errors import DecisionError, RecipeError, ServiceError
from mingolotss.formats.batches import batch_of_rows
from mingolotss.io.files import locate
from mingolotss.io.parquet import write_table
from mingolotss.model import Candidate, Ints
from mingolotss.pipeline.inputs import resolve_catalogue, simulated_sky
from mingolotss.pipeline.task import Task
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import Recipe
from mingolotss.service.base import (
    CutoutRequest,
    Estimate,
    FetchService,
    ImageService,
    Naming,
    open_service,
    search_all,
)
from mingolotss.service.local.folder import FolderService

__all__ = ["Plan", "Progress", "plan"]

Progress = Callable[[int, int, str], None]
_T = TypeVar("_T")
_NSIDE = 4096  # HEALPix pixels of 52 arcsec; 3 ms for 20,000 positions (2 cores, median)


@dataclass(frozen=True)
class Plan:
    """What a build will do: every source with its candidates, before any pixel is read.

    Attributes
    ----------
    catalogue : Catalogue
    candidates : CandidateTable
        The candidates of each source, sorted by field. A list of lists is converted.
    recipe : Recipe
    service : ImageService
    decisions : mapping of str to Decision
        By the name of the source.
    out : Path
        The build's folder.
    unanswered : mapping of str to str
        The sources for which the search failed, with the reason. They have no candidates.
    """

    catalogue: Catalogue
    candidates: CandidateTable
    recipe: Recipe
    service: ImageService
    decisions: Mapping[str, Decision]
    out: Path
    unanswered: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        table = CandidateTable.from_lists(self.candidates, self.catalogue.names)
        object.__setattr__(self, "candidates", table)

    @property
    def sources(self) -> int:
        """Return the number of sources."""
        return len(self.catalogue)

    @property
    def covered(self) -> int:
        """Return the number of sources with at least one image."""
        return int(np.count_nonzero(self.candidates.counts))

    def field_counts(self) -> dict[int, int]:
        """Return how many sources have 0, 1, 2, ... images."""
        numbers, counts = np.unique(self.candidates.counts, return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))

    def requests(self, parts: Iterable[int] | None = None) -> Iterator[CutoutRequest]:
        """Yield a request for every cutout of some parts, by default of all, part by part."""
        for part in range(len(self.partitions)) if parts is None else parts:
            for row in self.partitions[part]:
                source = self.catalogue.source(int(row))
                yield from (CutoutRequest(one, source) for one in self.candidates[row])

    def estimate(self) -> Estimate | None:
        """Return what is still to be downloaded, or None if the service reads local files."""
        if not isinstance(self.service, FetchService):
            return None
        return self.service.estimate(self.requests(), self.recipe.images.size_arcmin / 60)

    @cached_property
    def partitions(self) -> list[Ints]:
        """Return the catalogue rows of every part.

        The sources of a folder of cutouts stay in catalogue order. All others are sorted by their
        first image and by declination, and divided into bands: two workers on one mosaic then map
        different pages of its file. Within a band the sources of an image follow the HEALPix
        order, so that the pixels that one stamp needs are still in the cache for the next.
        """
        n, image, dec = self.sources, self.candidates.first_image, self.catalogue.dec
        size = min(4096, max(64, -(-n // 8)))
        one_file_each = isinstance(self.service, FolderService)
        order = np.arange(n) if one_file_each else np.lexsort((dec, image))
        bands = [order[start : start + size] for start in range(0, n, size)]
        if one_file_each:
            return bands
        pixel = lonlat_to_healpix(self.catalogue.ra * u.deg, dec * u.deg, _NSIDE, order="nested")
        return [band[np.lexsort((pixel[band], image[band]))] for band in bands]

    @cached_property
    def batches(self) -> Ints:
        """Return the batch of every row."""
        settings = self.recipe.batches
        return batch_of_rows(
            self.sources, train=settings.train, rows=settings.rows, total=settings.of
        )

    def task(self, index: int) -> Task:
        """Return one part as a worker needs it."""
        rows = self.partitions[index]
        catalogue = self.catalogue.take(rows)
        return Task(
            index=index,
            catalogue=catalogue,
            rows=rows,
            candidates=self.candidates.take(rows),
            batches=self.batches[rows],
            decisions=_restrict(self.decisions, catalogue.names),
            recipe=self.recipe,
            service=self.service,
            out=self.out,
            unanswered=_restrict(self.unanswered, catalogue.names),
        )

    def table(self) -> pa.Table:
        """Return the candidates as a table with the columns of ``candidates.parquet``.

        Columns that only a build can fill are null.
        """
        candidates = self.candidates
        rows = np.repeat(np.arange(self.sources), candidates.counts)
        columns: dict[str, pa.Array | npt.NDArray[np.int64]] = {
            field.name: pa.nulls(len(rows), field.type) for field in CANDIDATES
        }
        columns |= {"row": rows, "source": pa.array(candidates.names).take(rows)}
        for index, name in enumerate(("field", "image", "rms")):
            values = pa.array([image[index] for image in candidates.images], pa.string())
            columns[name] = values.take(candidates.image_index)
        return pa.table(columns, schema=CANDIDATES)


def plan(
    recipe: str | Path | Recipe = "mingolotss",
    *,
    out: Path | str,
    catalogue: Path | str | Catalogue | None = None,
    service: str | ImageService | None = None,
    decisions: Path | str | None = None,
    limit: int | None = None,
    fresh: bool = False,
    refresh: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """Find the images of every source; no pixels are read.

    Parameters
    ----------
    recipe : str, Path or Recipe
        The name of a shipped recipe, a TOML file, or a recipe.
    out : Path
        The build's folder. ``recipe.toml`` and ``candidates.parquet`` are written there.
    catalogue : Path, str or Catalogue, optional
        A file or an ``http`` address. It replaces the recipe's catalogue.
    service : str or ImageService, optional
        It replaces the recipe's service. ``simulated`` without a folder makes a simulated sky in
        ``out/sky`` and, unless `catalogue` is given, uses the catalogue of that sky.
    decisions : Path, optional
        The file of decisions; by default ``decisions.csv`` in `out`.
    limit : int, optional
        Use only the first rows of the catalogue.
    fresh : bool
        First remove what an earlier build wrote to `out`; downloads stay.
    refresh : bool
        Repeat the searches and downloads of a service that keeps them.
    progress : callable, optional
        Called with (sources done, total, current activity).

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        An argument is wrong, or `out` holds another build.
    ServiceError
        The service cannot be reached.
    """
    out = locate(out)
    folder = BuildFolder(out)
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    if (service or recipe.images.service) == "simulated":
        sky_catalogue, service = simulated_sky(out)
        catalogue = sky_catalogue if catalogue is None else catalogue
    naming = Naming(recipe.images.image, recipe.images.rms, recipe.images.ignore)
    opened = (
        open_service(service or _service_of(recipe), naming=naming, workspace=out, refresh=refresh)
        if service is None or isinstance(service, str)
        else service
    )
    sources = resolve_catalogue(recipe, catalogue, opened, out).head(limit)
    if fresh:
        remove_products(out)
    settings = Provenance.from_inputs(recipe, sources, str(service or recipe.images.service), limit)
    before = read_provenance(out)
    if before is not None:
        check_same_build(before, settings, out)
    notify, total = progress or (lambda *_: None), len(sources)
    answers = search_all(
        opened,
        sources,
        recipe.images.size_arcmin / 60,
        lambda done: notify(done, total, "searching"),
    )
    candidates, unanswered = _split_answers(answers, sources.names)
    known = read_decisions(Path(decisions) if decisions else folder.decisions)
    _check_decisions(known, sources, candidates)
    result = Plan(sources, candidates, recipe, opened, known, out, unanswered)
    if before is None:
        write_provenance(out, settings)
    if not folder.candidates.exists():
        write_table(folder.candidates, result.table(), dictionary=REPEATED_COLUMNS)
    return result


def _split_answers(
    answers: Sequence[list[Candidate] | ServiceError], names: list[str]
) -> tuple[CandidateTable, dict[str, str]]:
    """Return the candidates, and the reason for each source whose search failed."""
    if isinstance(answers, CandidateTable):
        return answers, {}
    lists = [[] if isinstance(answer, ServiceError) else answer for answer in answers]
    pairs = zip(names, answers, strict=True)
    unanswered = {name: str(one) for name, one in pairs if isinstance(one, ServiceError)}
    return CandidateTable.from_lists(lists, names), unanswered


def _restrict(mapping: Mapping[str, _T], names: Sequence[str]) -> dict[str, _T]:
    """Return the entries of some sources; most mappings are empty."""
    return {name: mapping[name] for name in names if name in mapping} if mapping else {}


def _service_of(recipe: Recipe) -> str:
    if not recipe.images.service:
        raise RecipeError(f"the recipe {recipe.name} names no service: give --service")
    return recipe.images.service


def _check_decisions(
    decisions: Mapping[str, Decision],
    catalogue: Catalogue,
    candidates: Sequence[Sequence[Candidate]],
) -> None:
    """Refuse decisions that cannot be applied, before any pixel is read."""
    for decision in decisions.values():
        row = catalogue.row_of.get(decision.source)
        if row is None or not decision.field:
            continue  # a shared file may name sources of another catalogue
        fields = [candidate.field for candidate in candidates[row]]
        if decision.field not in fields:
            raise DecisionError(
                f"apply decisions.csv to {decision.source}: there is no image of field "
                f"{decision.field!r}; on offer: {', '.join(fields) or 'none'}"
            )
