"""Each door of the program, with generated inputs, in a process of its own (see ``harness.py``)."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from harness import run_target

pytestmark = pytest.mark.fuzz
_NEEDS_H5PY = pytest.mark.skipif(find_spec("h5py") is None, reason="needs the group readers")
TARGETS = [
    "targets_catalogue:csv", "targets_catalogue:ecsv", "targets_catalogue:votable",
    "targets_catalogue:parquet", "targets_catalogue:fits", "targets_settings:recipe",
    "targets_settings:decisions", "targets_settings:review", "targets_settings:classifications",
    "targets_fits:header", "targets_fits:pixels", "targets_fits:rice", "targets_fits:gzip-tiles",
    "targets_fits:hcompress", "targets_fits:plio", "targets_fits:gzip",
    "targets_formats:pickle", "targets_formats:tar", "targets_formats:webdataset",
    "targets_formats:png", "targets_formats:zarr", "targets_formats:parquet",
    "targets_formats:dataset", "targets_formats:hats",
    pytest.param("targets_formats:hdf5", marks=[pytest.mark.readers, _NEEDS_H5PY]),
]  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_is_accepted_or_refused(name, canary, record_property):
    with canary.pause():
        outcome = run_target(name)
    record_property("fuzz", f"{name}: {outcome}")
    assert not outcome.failure, outcome.failure
    assert outcome.refused
