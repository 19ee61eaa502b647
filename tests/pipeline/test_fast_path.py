"""The fast path over mosaics gives what plain numpy and astropy give, on random skies.

The oracle cuts with astropy's WCS and `numpy.pad`, one source at a time, writes each cutout to a
file and does the whole job from there; nothing of the package is used.
"""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy_healpix import HEALPix
from PIL import Image

import oracle
from imported_modules import HEAVY, imported_modules
from mingolotss.candidates.table import CandidateTable
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.image.pixels import has_signal, percent_nan
from mingolotss.io.parquet import read_table
from mingolotss.model import Candidate
from mingolotss.pipeline.executors import local as executors
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import build
from mingolotss.service.base import CutoutRequest, open_service
from mingolotss.service.local.mosaic_file import open_mosaic
from mingolotss.sky.wcs import simple_header
from skies import write_catalogue, write_fits

pytestmark = pytest.mark.slow  # together they take long

SIDE, SIZE_DEG = 240, 0.1  # px at 1.5 arcsec
CENTRES = {"P10+40": (150.0, 45.0), "P11+40": (150.35, 45.05), "P12+40": (150.2, 45.3)}


def mosaic(rng: np.random.Generator, ny: int, nx: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noise with bright places, gaps in it and a round edge, and its rms map."""
    rms = rng.uniform(5e-5, 9e-5, (ny, nx)).astype("f4")
    image = (rng.normal(size=(ny, nx)) * rms).astype("f4")
    for _ in range(60):
        y, x = rng.integers(0, ny - 9), rng.integers(0, nx - 9)
        image[y : y + 9, x : x + 9] += rng.uniform(1e-3, 5e-2)
    for _ in range(4):
        y, x = rng.integers(0, ny - 60), rng.integers(0, nx - 60)
        image[y : y + rng.integers(1, 60), x : x + rng.integers(1, 60)] = np.nan
    y, x = np.ogrid[:ny, :nx]
    outside = np.hypot(y - ny / 2, x - nx / 2) > 0.52 * min(ny, nx)
    image[outside] = rms[outside] = np.nan
    return image, rms


class Sky:
    """Three overlapping mosaics and sources all over them, some on no pixel at all."""

    def __init__(self, folder, seed: int, *, packed: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self.folder = folder / "mosaics"
        self.folder.mkdir()
        for field, (ra, dec) in CENTRES.items():
            shape = tuple(int(n) for n in rng.integers(900, 1100, 2))
            header = simple_header(ra, dec, shape=shape, scale_arcsec=1.5)
            pair = mosaic(rng, *shape)
            for end, data in zip(("-mosaic", "-mosaic-rms"), pair, strict=True):
                path = self.folder / f"{field}{end}.fits"
                write_fits(path, data, header)
                if packed:
                    pack(path)
        n = 90
        self.names = [f"S{i:03d}" for i in range(n)]
        self.ra, self.dec = rng.uniform(149.6, 150.7, n), rng.uniform(44.7, 45.6, n)
        self.catalogue = folder / "catalogue.fits"
        write_catalogue(self.catalogue, self.names, self.ra, self.dec)


def pack(path) -> None:
    """Compress a file as fpack does, and leave only that."""
    with fits.open(path) as plain:
        tiles = fits.CompImageHDU(plain[0].data, plain[0].header, compression_type="GZIP_1",
                                  tile_shape=(64, 64), quantize_level=0)  # fmt: skip
        fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(f"{path}.fz")
    path.unlink()


def expected(sky: Sky, index: int, folder) -> dict[str, object] | None:
    """Return the oracle's answer for one source."""
    place = SkyCoord(sky.ra[index], sky.dec[index], unit="deg")
    files = {}
    for field in CENTRES:
        pair = []
        for end in ("-mosaic", "-mosaic-rms"):
            path = next(sky.folder.glob(f"{field}{end}.fits*"))
            data, wcs = oracle.open_image(path)
            x, y = (float(v) for v in wcs.world_to_pixel(place))
            ny, nx = data.shape
            if not (-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5):
                break
            x0, y0 = round(x) - SIDE // 2, round(y) - SIDE // 2
            around = np.pad(data, SIDE, constant_values=np.nan)
            cutout = around[y0 + SIDE :, x0 + SIDE :][:SIDE, :SIDE]
            header = wcs.to_header()
            header["CRPIX1"] -= x0
            header["CRPIX2"] -= y0
            pair.append(folder / f"{index}{field}{end}.fits")
            fits.PrimaryHDU(cutout.astype("f4"), header).writeto(pair[-1], overwrite=True)
        if len(pair) == 2:
            files[field] = tuple(pair)
    return oracle.make(files, sky.ra[index], sky.dec[index])


@pytest.mark.parametrize(
    ("seed", "packed"),
    [
        (1, False),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in [(2, False), (3, True)]),
    ],
)
def test_random_mosaics(tmp_path, seed, packed):
    """Field, case, separation, gaps and every pixel agree, plain and compressed."""
    sky = Sky(tmp_path, seed, packed=packed)
    out = tmp_path / "out"
    build("mingolotss", catalogue=sky.catalogue, service=f"mosaics:{sky.folder}", out=out)
    rows = read_manifest(out).to_pylist()
    cases = set()
    for index, row in enumerate(rows):
        want = expected(sky, index, tmp_path)
        assert (row["status"] == "written") == (want is not None), row
        if want is None:
            continue
        assert (row["field"], row["case"], row["recentred"]) == (
            want["field"], want["case"], want["recentred"]
        )  # fmt: skip
        assert row["separation_arcsec"] == pytest.approx(want["separation"], abs=1e-6)
        for name in ("percent_nan", "percent_nan_cutout"):
            assert row[name] == pytest.approx(want[name], abs=1e-12)
        assert row["incomplete"] == (row["percent_nan"] > 10)
        with Image.open(out / "png" / row["image_file"]) as image:
            np.testing.assert_array_equal(np.asarray(image), want["pixels"], row["source"])
        cases.add(row["case"])
    assert {0, 2} <= cases
    assert any(row["stage"] for row in rows)


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_mappers_give_the_same_mosaics_bytes(tmp_path, pool):
    """The image parts do not depend on who made them."""
    sky = Sky(tmp_path, 4)
    made = {}
    for name in ("map", pool):
        out = tmp_path / name
        options = {"catalogue": sky.catalogue, "service": f"mosaics:{sky.folder}", "out": out}
        if name == "map":
            build("mingolotss", **options)
        else:
            with getattr(executors, pool)(2) as mapper:
                build("mingolotss", mapper=mapper, **options)
        made[name] = (out / "checksums.sha256").read_bytes()
    assert made["map"] == made[pool]


def test_fully_observed_boxes_have_no_gap(tmp_path):
    """A box that a mosaic calls fully observed has no gap and some signal."""
    sky = Sky(tmp_path, 5)
    rng = np.random.default_rng(6)
    found = open_mosaic(str(next(sky.folder.glob("*-mosaic.fits"))))
    y0, x0 = (rng.integers(0, n - SIDE, 300) for n in found.shape)
    observed = found.part(y0, y0 + SIDE, x0, x0 + SIDE).fully_observed(y0, x0, SIDE)
    for y, x in zip(y0[observed].tolist(), x0[observed].tolist(), strict=True):
        box = found.box(y, y + SIDE, x, x + SIDE)
        assert percent_nan(box) == 0
        assert has_signal(box)
    assert observed.any()
    assert not observed.all()


def test_cutouts_of_a_chunk_are_fully_observed_as_their_mosaic_says(tmp_path):
    """A cutout is marked fully observed exactly where its mosaic knows that it is."""
    sky = Sky(tmp_path, 5)
    service = open_service(f"mosaics:{sky.folder}")
    catalogue = Catalogue.from_columns(sky.names, sky.ra, sky.dec)
    offers = service.search_all(catalogue, SIZE_DEG)
    wanted = [
        CutoutRequest(one, catalogue.source(r)) for r, some in enumerate(offers) for one in some
    ]
    found = list(service.cutouts(wanted, SIZE_DEG))
    assert any(cutout.fully_observed for cutout in found)
    for one, cutout in zip(wanted, found, strict=True):
        mosaic, (x, y) = service.mosaic(one.candidate.image), cutout.origin
        inside = 0 <= x <= mosaic.shape[1] - SIDE and 0 <= y <= mosaic.shape[0] - SIDE
        one_y, one_x = np.array([y]), np.array([x])
        whole = mosaic.part(one_y, one_y + SIDE, one_x, one_x + SIDE)
        assert cutout.fully_observed == (inside and whole.fully_observed(one_y, one_x, SIDE)[0])


def test_a_mosaic_that_changed_is_opened_again(tmp_path):
    """What a process remembers of a file is of that file, not of its name."""
    path = tmp_path / "P1-mosaic.fits"
    header = simple_header(10, 20, shape=(300, 300), scale_arcsec=1.5)
    write_fits(path, np.ones((300, 300)), header)
    assert open_mosaic(str(path)).box(0, 1, 0, 1) == 1
    write_fits(path, np.full((300, 310), 2.0), header)
    assert open_mosaic(str(path)).box(0, 1, 0, 1) == 2


def test_parts_are_places(tmp_path):
    """Parts go image by image, from south to north; within one, sources lie together."""
    sky = Sky(tmp_path, 7)
    options = {"catalogue": sky.catalogue, "service": f"mosaics:{sky.folder}"}
    planned = plan("mingolotss", out=tmp_path / "out", **options)
    pixel = HEALPix(4096, "nested").lonlat_to_healpix(sky.ra * u.deg, sky.dec * u.deg)
    order = np.concatenate(planned.partitions)
    assert sorted(order.tolist()) == list(range(len(sky.names)))
    first = planned.candidates.first_image[order]
    assert (np.diff(first) >= 0).all()
    for image in set(first.tolist()):
        north = -np.inf
        for part in planned.partitions:
            rows = part[planned.candidates.first_image[part] == image]
            assert (np.diff(pixel[rows]) >= 0).all()
            assert (sky.dec[rows] >= north).all()
            north = sky.dec[rows].max(initial=north)
    held = [
        image
        for part in planned.partitions
        for image in {*planned.candidates.first_image[part].tolist()}
    ]
    assert len(held) > len(set(held)), "no image is in two parts"


def test_offers_read_like_lists():
    """Columns give back the lists that they were made of, whole and in part."""
    rng = np.random.default_rng(1)
    names = [f"S{i}" for i in range(50)]
    lists = [
        [Candidate(f"P{k}", f"P{k}.fits", "", name) for k in range(5) if rng.random() < 0.4]
        for name in names
    ]
    offers = CandidateTable.from_lists(lists, names)
    assert list(offers) == lists
    for some in (slice(3, 9), slice(None), slice(40, 99), slice(9, 3), slice(-5, None),
                 slice(30, 2, -7)):  # fmt: skip
        assert offers[some] == lists[some]
    assert offers[-1] == lists[-1]
    rows = rng.permutation(50)[:20]
    assert list(offers.take(rows)) == [lists[row] for row in rows]
    assert offers.counts.tolist() == [len(one) for one in lists]


def test_tables_are_merged_in_strips(tmp_path, monkeypatch):
    """Parts in the order of the sky become tables in catalogue order, however small the strips."""
    sky = Sky(tmp_path, 8)
    options = {"catalogue": sky.catalogue, "service": f"mosaics:{sky.folder}"}
    build("mingolotss", out=tmp_path / "whole", **options)
    monkeypatch.setattr("mingolotss.pipeline.assemble.MAX_MERGE_ROWS", 32)
    monkeypatch.setattr("mingolotss.pipeline.assemble.MAX_WRITE_ROWS", 7)
    monkeypatch.setattr("mingolotss.pipeline.part_tables.MAX_SOURCES_IN_MEMORY", 7)
    build("mingolotss", out=tmp_path / "strips", **options)
    for name in ("manifest.parquet", "candidates.parquet"):
        whole, strips = (read_table(tmp_path / kind / name) for kind in ("whole", "strips"))
        assert repr(whole.to_pylist()) == repr(strips.to_pylist())  # NaN equals NaN so
    rows = read_table(tmp_path / "strips" / "manifest.parquet", ["row"])["row"].to_pylist()
    assert rows == list(range(len(sky.names)))
    counts = pq.ParquetFile(tmp_path / "strips" / "manifest.parquet").metadata.num_row_groups
    assert counts > 1


def test_a_part_loads_as_images(tmp_path):
    """The image column of a part is a PNG that any reader opens."""
    sky = Sky(tmp_path, 9)
    out = tmp_path / "out"
    build("mingolotss", catalogue=sky.catalogue, service=f"mosaics:{sky.folder}", out=out)
    row = pq.read_table(out / "stamps" / "part-00000.parquet").slice(0, 1).to_pylist()[0]
    with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
        assert (image.mode, image.size) == ("L", (150, 150))


def test_a_worker_imports_nothing_heavy():
    """What makes a part has nothing of other commands; times depend on the machine, this not."""
    assert imported_modules("import mingolotss.pipeline.part") & HEAVY == set()
