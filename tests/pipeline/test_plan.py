"""The division of a catalogue into parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mingolotss.pipeline.plan import plan
from skies import random_sky


def test_parts_stay_when_the_service_is_replaced(tmp_path):
    """`fetch` replaces the service of a plan after its parts were divided among the workers."""
    sky = random_sky(tmp_path / "sky", 150, 1)
    build_plan = plan("mingolotss", catalogue=sky.catalogue, service=f"folder:{sky.folder}",
                      out=tmp_path / "out")  # fmt: skip
    replaced = replace(build_plan, service=object())
    parts = [part.tolist() for part in build_plan.partitions]
    assert len(parts) > 1
    assert [part.tolist() for part in replaced.partitions] == parts
    assert np.concatenate(parts).tolist() == list(range(150))
    by_image = replace(build_plan, in_catalogue_order=False)
    assert np.concatenate(by_image.partitions).tolist() != list(range(150))
