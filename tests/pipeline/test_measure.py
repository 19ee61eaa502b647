"""The reasons why a candidate cannot be used."""

from __future__ import annotations

import numpy as np
import pytest

from mingolotss.candidates.requests import CutoutRequest, CutoutRequests
from mingolotss.candidates.status import CandidateStatus
from mingolotss.errors import ServiceAnswerError, ServiceUnavailableError, TruncatedFileError
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.pipeline.measure import fetch_and_measure
from mingolotss.recipe.load import load_recipe
from mingolotss.sky.wcs import SkyWCS, simple_header

NOISE = load_recipe("mingolotss").noise
WCS = SkyWCS.from_header(simple_header(10.0, 40.0, shape=(20, 20), scale_arcsec=1.5))
SIGNAL, NO_SIGNAL = np.ones((20, 20), np.float32), np.zeros((20, 20), np.float32)


class Outcomes:
    """A service that gives one outcome for each request, in order."""

    def __init__(self, *outcomes):
        self.outcomes = outcomes

    def search_all(self, catalogue, size_deg): ...

    def cutouts(self, requests, size_deg):
        """Return the outcomes."""
        return list(self.outcomes)


def measure(*outcomes, ra=10.0, dec=40.0, n=None):
    """Measure one candidate for each outcome, all of one position."""
    n = len(outcomes) if n is None else n
    requests = [
        CutoutRequest(Candidate("P1", f"{i}.fits", "", f"S{i}"), Source(i, f"S{i}", ra, dec))
        for i in range(n)
    ]
    return fetch_and_measure(
        CutoutRequests.from_requests(requests), Outcomes(*outcomes), 0.1, NOISE
    )


def test_the_first_reason_is_given():
    """No signal comes before no rms map, and both before a position off the image."""
    measured = measure(
        Cutout(SIGNAL, SIGNAL, WCS),
        Cutout(SIGNAL, None, WCS),
        Cutout(NO_SIGNAL, None, WCS),
        ra=190.0, dec=-40.0,
    )  # fmt: skip
    assert measured.reasons == {
        0: "the source is 180 deg outside the image",
        1: "no rms map, which the recipe's noise needs",
        2: "no finite non-zero pixel",
    }
    assert measured.status.tolist() == [CandidateStatus.REJECTED] * 3
    on_image = measure(Cutout(SIGNAL, SIGNAL, WCS))
    assert not on_image.reasons
    assert on_image.status.tolist() == [CandidateStatus.USABLE]


@pytest.mark.parametrize(
    ("error", "status", "retryable"),
    [
        (ServiceUnavailableError("busy"), CandidateStatus.FETCH_FAILED, True),
        (ServiceAnswerError("refused"), CandidateStatus.FETCH_FAILED, False),
        (TruncatedFileError("short"), CandidateStatus.REJECTED, False),
    ],
)
def test_an_error_is_a_reason(error, status, retryable):
    """Only a failure of the service may be repaired by another run."""
    measured = measure(error, Cutout(SIGNAL, SIGNAL, WCS))
    assert measured.reasons == {0: str(error)}
    assert measured.status.tolist() == [status, CandidateStatus.USABLE]
    assert measured.retryable is retryable
    assert np.isnan(measured.x[0])
    assert measured.percent_nan.tolist() == [0, 0]


def test_a_service_gives_one_outcome_for_each_request():
    """Anything else is an error in the program of the service, and stops the build."""
    with pytest.raises(RuntimeError, match="2 cutouts were requested and 1 came"):
        measure(Cutout(SIGNAL, SIGNAL, WCS), n=2)
