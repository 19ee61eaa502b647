"""What became of a candidate: a status, and beside it the reason where an image is not used.

The manifest stores both in one column, ``verdict``: it is empty, ``chosen``, ``not chosen``, or the
reason why the image cannot be used. Only this module converts between the two forms.

>>> from_verdict("chosen"), from_verdict("no finite non-zero pixel")[0].name
((<CandidateStatus.CHOSEN: 1>, ''), 'REJECTED')
>>> to_verdicts(np.array([0, 1, 3], np.int8), {2: "truncated"}).tolist()
['', 'chosen', 'truncated']
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from mingolotss.model import Objects

__all__ = ["CandidateStatus", "StatusArray", "from_verdict", "to_verdicts"]

StatusArray = npt.NDArray[np.int8]


class CandidateStatus(IntEnum):
    """The state of one candidate.

    `USABLE` candidates were measured and not compared, since their source was rejected before that.
    `FETCH_FAILED` is a service's failure to deliver; `REJECTED` is any other reason not to use the
    image. Both have a reason in words.
    """

    USABLE = 0
    CHOSEN = 1
    NOT_CHOSEN = 2
    REJECTED = 3
    FETCH_FAILED = 4


_VERDICTS = {
    CandidateStatus.USABLE: "",
    CandidateStatus.CHOSEN: "chosen",
    CandidateStatus.NOT_CHOSEN: "not chosen",
    CandidateStatus.REJECTED: "rejected",
    CandidateStatus.FETCH_FAILED: "not fetched",
}
_STATUS = {_VERDICTS[status]: status for status in list(CandidateStatus)[:3]}


def to_verdicts(status: StatusArray, reasons: Mapping[int, str]) -> Objects:
    """Return the column ``verdict`` of candidates.

    Parameters
    ----------
    status : int8 array, shape (m,)
        Values of `CandidateStatus`.
    reasons : mapping of int to str
        The reason of each candidate that is not used, by its index.

    Returns
    -------
    object array of str, shape (m,)
    """
    verdicts: Objects = np.array([*_VERDICTS.values()], object)[status]
    verdicts[list(reasons)] = list(reasons.values())
    return verdicts


def from_verdict(verdict: str) -> tuple[CandidateStatus, str]:
    """Return status and reason of one value of the column ``verdict``.

    A verdict in words does not say whether the service failed or the image was refused: the status
    is then `CandidateStatus.REJECTED`.
    """
    status = _STATUS.get(verdict)
    return (CandidateStatus.REJECTED, verdict) if status is None else (status, "")
