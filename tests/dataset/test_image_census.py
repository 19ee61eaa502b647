"""The numbers of sources of each noise method and beam, which card and report state."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mingolotss.dataset.image_census import BeamCount, beam_counts, noise_counts
from mingolotss.dataset.manifest import MANIFEST, read_manifest
from mingolotss.io.parquet import write_table

ROWS = [
    {"status": "written", "noise_method": "rms-map", "beam_major_arcsec": 6.0,
     "beam_minor_arcsec": 6.0},
    {"status": "written", "noise_method": "sigma-clipped", "beam_major_arcsec": 9.0,
     "beam_minor_arcsec": 9.0},
    {"status": "written", "noise_method": "sigma-clipped", "beam_major_arcsec": 9.04,
     "beam_minor_arcsec": 8.96, "beam_pa_deg": 40.0},
    {"status": "written", "noise_method": "rms-map"},
    {"status": "written", "noise_method": "rms-map"},
    {"status": "rejected", "beam_major_arcsec": 25.0, "beam_minor_arcsec": 25.0},
]  # fmt: skip


def test_counts():
    """Rejected sources do not count, and beams that agree to 0.1 arcsec are one."""
    table = pa.Table.from_pylist(ROWS, schema=MANIFEST)
    assert list(noise_counts(table).items()) == [("rms-map", 3), ("sigma-clipped", 2)]
    expected = [BeamCount(None, None, 2), BeamCount(9.0, 9.0, 2), BeamCount(6.0, 6.0, 1)]
    assert beam_counts(table) == expected


def test_an_older_manifest_has_neither(tmp_path):
    """Its columns are read as null, and both are unknown."""
    rows = [{"row": 0, "source": "A", "status": "written"}]
    write_table(tmp_path / "manifest.parquet", pa.Table.from_pylist(rows))
    names = ["status", "noise_method", "beam_major_arcsec", "beam_minor_arcsec"]
    table = read_manifest(tmp_path, names)
    assert noise_counts(table) == {None: 1}
    assert beam_counts(table) == [BeamCount(None, None, 1)]
    (row,) = read_manifest(tmp_path, ["wcs", "source"]).to_pylist()
    assert row == {"source": "A", "wcs": None}


@pytest.mark.parametrize("n", [0, 1, 500])
def test_beams_are_counted_as_arrow_groups_them(n):
    """Also nulls and NaN on one axis or both, and in several chunks."""
    rng = np.random.default_rng(n)
    axes = [[None, float("nan"), 6.0, 6.04, 6.06, 9.0][i] for i in rng.integers(0, 6, 2 * n)]
    columns = {"beam_major_arcsec": axes[:n], "beam_minor_arcsec": axes[n:]}
    table = pa.table({name: pa.array(values, pa.float64()) for name, values in columns.items()})
    table = pa.concat_tables([table, table.slice(n // 3)])
    status = pa.array(rng.choice(["written", "rejected"], len(table)).tolist(), pa.string())
    written = table.filter(pc.equal(status, "written"))
    rounded = pa.table({name: pc.round(written[name], 1) for name in columns})
    groups = rounded.group_by(list(columns), use_threads=False).aggregate([([], "count_all")])
    expected = [BeamCount(*row.values()) for row in groups.to_pylist()]
    beams = beam_counts(table.append_column("status", status))
    assert sorted(map(repr, beams)) == sorted(map(repr, expected))
    assert [beam.sources for beam in beams] == sorted((b.sources for b in expected), reverse=True)
