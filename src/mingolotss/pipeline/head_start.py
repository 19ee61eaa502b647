"""The first parts of a new build, which workers begin with while the build is still planned.

All that stamps need is known before the splits of the sky, which take most of the time of planning.
A worker holds what it has made in memory until the plan is recorded, so that the folder of a build
has the same files at each moment as without a head start, and an error of planning leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

from mingolotss.dataset.layout import BuildFolder
from mingolotss.foreign import is_own
from mingolotss.io.files import is_local
from mingolotss.pipeline.build_plan import Plan
from mingolotss.pipeline.executors.base import EarlyMapper, Mapper
from mingolotss.pipeline.part import make_part
from mingolotss.pipeline.pending_splits import PendingSplits, pending_splits
from mingolotss.pipeline.task import PartSummary, Task
from mingolotss.service.base import FetchService, ImageService, local_root, reads_ahead

__all__ = ["BegunParts", "HeadStart", "head_start"]


class BegunParts(NamedTuple):
    """All parts of a plan, of which the first are being made.

    Attributes
    ----------
    tasks : iterator of Task
        Those that no worker has taken yet.
    results : iterator of PartSummary
        Of all; it takes the tasks.
    """

    tasks: Iterator[Task]
    results: Iterator[PartSummary]


class HeadStart:
    """Begins the parts of a plan whose splits are not known yet.

    Parameters
    ----------
    mapper : Mapper
        Only an `EarlyMapper` begins early: threads would take turns with planning.
    stack : ExitStack
        On its end, workers that still wait are released.
    """

    def __init__(self, mapper: Mapper, stack: ExitStack) -> None:
        self._mapper, self._stack = mapper, stack
        self._begun: tuple[PendingSplits, BegunParts] | None = None

    def begin(self, plan: Plan) -> None:
        """Begin with the parts of a plan, if they can be made without their splits.

        Parameters
        ----------
        plan : Plan
            Complete but for its splits.
        """
        if not isinstance(self._mapper, EarlyMapper) or not _can_begin(plan):
            return
        with suppress(OSError):  # without room for temporary files there is no head start
            pending = self._stack.enter_context(pending_splits())
            tasks = (plan.task(index, pending) for index in range(len(plan.partitions)))
            results = self._stack.enter_context(self._mapper.start(make_part, tasks))
            self._stack.callback(pending.give_up)  # first of all, so that nobody waits any more
            self._begun = pending, BegunParts(tasks, results)

    def go_on(self, plan: Plan, parts: Sequence[int]) -> BegunParts | None:
        """Let the workers write what they have made; return all parts, or None if none has begun.

        Parameters
        ----------
        plan : Plan
            With its splits, and recorded in the folder of the build.
        parts : sequence of int
            The parts that must be made: all, since only a new build gets a head start.
        """
        if self._begun is None:
            return None
        assert len(parts) == len(plan.partitions)  # noqa: S101 - the lock keeps others away
        pending, begun = self._begun
        pending.publish(plan.splits.batch_index, plan.splits.batches)
        return begun


@contextmanager
def head_start(mapper: Mapper) -> Iterator[HeadStart]:
    """Give a head start to the workers of a mapper until the block ends."""
    with ExitStack() as stack:
        yield HeadStart(mapper, stack)


def _can_begin(plan: Plan) -> bool:
    """Return whether the parts can be made without their splits, and without a request.

    The FITS files of stamps are written chunk by chunk, with the split in their headers.
    """
    return (
        is_local(plan.out)
        and "fits" not in plan.recipe.formats
        and not BuildFolder(plan.out).parts()
        and all(_reads_files(service) for _, service, _ in plan.image_services())
    )


def _reads_files(service: ImageService) -> bool:
    """Return whether a service of this package reads files of this machine and nothing else."""
    if isinstance(service, FetchService) or reads_ahead(service):
        return False
    return is_own(type(service)) and local_root(service) != ""
