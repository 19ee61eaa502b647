"""FITS stamps of a build whose images were downloaded, made without a network."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import Table

import mingolotss
from mingolotss.errors import DatasetError, MingoError
from mingolotss.pipeline.recorded_sources import _of_records
from misbehave import running
from survey_images import write_images
from survey_server import Survey


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A build from a cutout server that is gone afterwards."""
    folder = tmp_path_factory.mktemp("downloaded")
    images = write_images(folder / "images")
    Table({"Source_Name": ["A"], "RA": [205.0], "DEC": [55.0]}).write(folder / "catalogue.csv")
    recipe = mingolotss.load_recipe("lotss").changed({
        "stamp.pixels": 20, "images.size_arcmin": 0.5, "recentre.enabled": False,
        "formats": ["parquet"], "noise.otherwise": "sigma-clipped", "catalogue.size": "",
        "catalogue.flux": "", "catalogue.field": "",
    })  # fmt: skip
    with running(Survey(images, folder).replies()) as server:
        service = f"lotss-dr2:{server.url}/dr2-cutout.fits"
        made = mingolotss.build(
            recipe, out=folder / "out", catalogue=folder / "catalogue.csv", service=service
        )
    assert made.written == 1
    return folder / "out"


def test_downloads_are_read_and_not_fetched_again(built, tmp_path):
    done = mingolotss.export(built, "fits", tmp_path / "export")
    (path,) = done.out.glob("*/*.fits")
    with fits.open(path) as hdus:
        assert hdus[0].header["IMAGE"].startswith("http")
        assert np.isfinite(hdus[0].data).all()
    checked = mingolotss.verify(done.out)
    assert checked.good, checked.problems


def test_a_download_that_was_changed_is_named(built, tmp_path):
    """Also if the stamp is the same: the pixel is below the level of the clip."""
    (path,) = (built / "cutouts").glob("*mosaic.fits")
    raw = path.read_bytes()
    try:
        with fits.open(path, mode="update") as hdus:
            hdus[0].data.flat[0] *= 0.999
        with pytest.raises(DatasetError, match=r"1 of 1 sources .*A: http\S+ was changed since"):
            mingolotss.export(built, "fits", tmp_path / "export")
        assert not (tmp_path / "export").exists()
    finally:
        path.write_bytes(raw)


@pytest.mark.slow
def test_a_download_that_is_gone_is_one_line(built, tmp_path):
    """The server is asked for it again; if it does not answer, nothing is written."""
    for path in (built / "cutouts").glob("*.fits"):
        path.rename(tmp_path / path.name)
    try:
        with pytest.raises(MingoError, match="cannot be reached"):
            mingolotss.export(built, "fits", tmp_path / "export")
        assert not (tmp_path / "export").exists()
    finally:
        for path in tmp_path.glob("*.fits"):
            path.rename(built / "cutouts" / path.name)


@pytest.mark.parametrize(
    ("chosen", "records", "expected"),
    [
        ([5, 2, 9], [2, 5, 9], ["b", "a", "c"]),
        ([5, 2, 9], [9, 3, 5, 0, 100], ["c", None, "a", None, None]),
        ([], [1, 2], [None, None]),
        ([4], [], []),
        ([0, 0], [0], ["b"]),
    ],
)
def test_the_chosen_image_of_each_record(chosen, records, expected):
    """Compared with a dictionary: the last row counts, and a record can be without one."""
    names = ["a", "b", "c"][: len(chosen)]
    table = pa.table({"row": pa.array(chosen, pa.int64()), "image": pa.array(names, pa.string())})
    rows = _of_records(table, np.array(records, np.int64)).to_pylist()
    assert [row["image"] for row in rows] == expected
    of_row = dict(zip(chosen, names, strict=True))
    assert [row["image"] for row in rows] == [of_row.get(record) for record in records]
    assert [row["row"] is None for row in rows] == [name is None for name in expected]
