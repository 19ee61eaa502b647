"""The column ``image`` as Hugging Face, LSDB and Hyrax read it, compared with the FITS files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import mingolotss
from fits_skies import build, build_channels, recipe, write_sky

pytestmark = [pytest.mark.readers, pytest.mark.filterwarnings("default")]


@dataclass
class Exported:
    """A build as a collection and as FITS files, by source and then by channel."""

    collection: Path
    images: dict[str, dict[str, np.ndarray]]


def _export(out: Path, channels: list[str]) -> Exported:
    folder = out.parent
    collection = mingolotss.export(out, "hats", folder / "hats", hats={"flux": True}).out
    exported = mingolotss.export(out, "fits", folder / "fits").out
    images = {}
    for path in exported.glob("*/*.fits"):
        with fits.open(path) as hdus:
            flux = np.stack([hdus[name or 0].data.astype("f4") for name in channels])
            noise = [f"{name}_RMS" if name else "RMS" for name in channels]
            rms = np.stack([
                hdus[name].data.astype(float) if name in hdus else np.ones(flux.shape[1:])
                for name in noise
            ])  # fmt: skip
            ivar = np.where(np.isfinite(flux), 1 / rms**2, 0).astype("f4")
            images[hdus[0].header["OBJECT"]] = {
                "flux": flux,
                "ivar": ivar,
                "mask": np.isfinite(flux),
            }
    return Exported(Path(collection), images)


@pytest.fixture(scope="module", params=["one image", "three channels"])
def exported(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    write_sky(root / "sky")
    if request.param == "one image":
        build(root / "sky", root / "out", recipe(formats=["parquet"]))
        return _export(root / "out", [""])
    build_channels(root / "sky", root)
    return _export(root / "out", ["high", "low", "none"])


def check(images: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        found = np.asarray(images[name])
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("streaming", [True, False])
def test_hugging_face_gives_the_arrays_of_the_fits_files(exported, tmp_path, streaming):
    datasets = pytest.importorskip("datasets", reason="needs the group hats")
    rows = datasets.load_dataset(
        str(exported.collection),
        split="all_splits",
        streaming=streaming,
        cache_dir=str(tmp_path),
    )
    seen = {row["object_id"]: row["image"] for row in rows.with_format("numpy")}
    assert set(seen) == set(exported.images)
    for source, expected in exported.images.items():
        check(seen[source], expected)
        assert seen[source]["psf_fwhm"].dtype == seen[source]["scale"].dtype == np.float32
        np.testing.assert_allclose(seen[source]["scale"], 1.5, rtol=1e-6)


@pytest.mark.parametrize("streaming", [True, False])
def test_the_class_of_hyrax_for_the_multimodal_universe(
    hyrax, exported, monkeypatch, tmp_path, streaming
):
    from hyrax.datasets.mmu_dataset import MultimodalUniverseDataset

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    settings = {"split": "all_splits", "max_samples": 100, "streaming": streaming}
    config = {"data_set": {"MultimodalUniverseDataset": settings}}
    rows = MultimodalUniverseDataset(config, data_location=exported.collection)
    assert len(rows) == len(exported.images)
    for index in range(len(rows)):
        check(rows.get_image(index), exported.images[str(rows.get_object_id(index))])


def test_lsdb_gives_a_table_of_channels(exported):
    lsdb = pytest.importorskip("lsdb", reason="needs the group hats")
    rows = lsdb.open_catalog(exported.collection, columns=["object_id", "image"]).compute()
    assert len(rows) == len(exported.images)
    for source, image in zip(rows["object_id"], rows["image"], strict=True):
        expected = exported.images[source]
        assert len(image) == len(expected["flux"])
        for channel in range(len(image)):
            planes = {name: np.stack(image[name].iloc[channel]) for name in expected}
            check(planes, {name: values[channel] for name, values in expected.items()})
    scales = lsdb.open_catalog(exported.collection)["image.scale"].compute()
    np.testing.assert_allclose(scales.to_numpy(float), 1.5, rtol=1e-6)
