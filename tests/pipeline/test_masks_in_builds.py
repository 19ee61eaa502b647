"""Masks on their way through a real build: parts, products, exports, and FITS stamps."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from mask_sky import build_masked, write_masked_sky
from mingolotss import build, export, load
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.masks import count_pixels
from mingolotss.dataset.records import read_records
from mingolotss.errors import DatasetError
from mingolotss.qa.compare import compare
from mingolotss.qa.verify import verify
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.published_list import pixels_sha256
from mingolotss.recipe.stamp_settings import StepSettings


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return write_masked_sky(tmp_path_factory.mktemp("sky"))


@pytest.fixture(scope="module")
def built(sky):
    out = sky.recipe.parent / "build"
    build_masked(sky, out)
    return out


def test_stamps_manifest_and_batches_have_the_same_masks(built):
    """Of every written source, with the number of its pixels and its checksum."""
    records = read_records(built)
    masks = records.masks()
    assert len(masks) == 23
    rows = pq.read_table(BuildFolder(built).manifest).to_pylist()
    written = [row for row in rows if row["status"] == "written"]
    assert [row["mask_sha256"] for row in rows if row["status"] != "written"] == [None]
    assert [row["mask_sha256"] for row in written] == [pixels_sha256(mask) for mask in masks]
    counts = [(row["mask_pixels"], row["other_pixels"]) for row in written]
    assert counts == list(map(tuple, count_pixels(masks).tolist()))
    assert sum(own > 0 for own, _ in counts) == 22
    assert written[5]["mask_pixels"] == 0
    data = load(built)  # of the batches
    order = [records.texts("source").index(name) for name in data.sources]
    np.testing.assert_array_equal(data.masks, masks[order])
    assert verify(built).problems == []


def test_a_mask_lies_on_the_blobs_of_its_stamp(built):
    """The stamp is bright where its mask is, and nowhere else."""
    data = load(built)
    for image, mask in zip(data.images, data.masks, strict=True):
        if (mask == 1).any():
            assert image[mask == 1].min() > image[mask != 1].mean()
            assert (image > 128)[mask == 0].sum() == 0


def test_a_recipe_without_masks_has_no_column(sky, tmp_path):
    """Its files have the same columns as ever."""
    service = f"folder:{sky.images}"
    build("mingolotss", out=tmp_path / "plain", catalogue=sky.catalogue, service=service)
    for path in (
        BuildFolder(tmp_path / "plain").manifest,
        BuildFolder(tmp_path / "plain").part_stamps(0),
    ):
        assert not [name for name in pq.read_schema(path).names if "mask" in name]
    assert load(tmp_path / "plain").masks is None


def check_fits(paths, masks):
    """Compare the last unit of each file with the mask of its source."""
    names = set()
    for path in paths:
        with fits.open(path, checksum=True) as units:
            mask = units["SOURCEMASK"]
            name = units[0].header["OBJECT"]
            np.testing.assert_array_equal(mask.data, masks[name])
            assert units.index_of("SOURCEMASK") == len(units) - 1
            assert mask.header["CRPIX1"] == units[0].header["CRPIX1"]
        names.add(name)
    assert names == masks.keys()


@pytest.mark.slow
def test_fits_stamps_have_the_mask_as_their_last_unit(built, tmp_path):
    """Those of a build, and of an export, which reads the images again but not the components."""
    data = load(built)
    masks = dict(zip(data.sources, data.masks, strict=True))
    check_fits(BuildFolder(built).fits.glob("*.fits"), masks)
    out = export(built, "fits", tmp_path / "fits").out
    check_fits(out.glob("*/*.fits"), masks)
    got = load(out)
    np.testing.assert_array_equal(got.masks, np.stack([masks[name] for name in got.sources]))
    assert verify(out).problems == []
    assert compare(built, out).same


def test_a_changed_mask_in_a_fits_file_is_found(built, tmp_path):
    """Also if its own checksum is right."""
    out = export(built, "fits", tmp_path / "fits").out
    path = min(out.glob("test/*.fits"))
    with fits.open(path) as units:
        units["SOURCEMASK"].data[0, 0] = 2
        units.writeto(path, overwrite=True, checksum=True)
    assert f"{path.name}: not the mask of the manifest" in verify(out).problems
    (line,) = compare(built, out).masks
    assert line.endswith(": 1 pixel")


@pytest.mark.slow
def test_float_stamps_keep_their_masks(sky, tmp_path):
    """An export of stored brightness has them too."""
    recipe = load_recipe(sky.recipe)
    build_masked(
        sky, tmp_path / "build", steps=(), formats=("parquet",),
        stamp=recipe.stamp.model_copy(update={"kind": "float32"}),
    )  # fmt: skip
    first = export(tmp_path / "build", "parquet", tmp_path / "parquet").out
    second = export(first, "fits", tmp_path / "fits").out
    np.testing.assert_array_equal(load(second).masks, load(first).masks)
    assert verify(second).problems == []


def test_fits_stamps_of_steps_that_use_the_mask(sky, tmp_path):
    """The steps are repeated with the recorded masks: the components are not read again."""
    steps = [StepSettings(do=name) for name in ("zero-nan", "keep-source", "minmax")]
    build_masked(sky, tmp_path / "build", steps=tuple(steps), formats=("parquet",))
    out = export(tmp_path / "build", "fits", tmp_path / "fits").out
    stamps = load(tmp_path / "build")
    assert not stamps.images[stamps.masks != 1].any()
    got = load(out)
    order = [stamps.sources.index(name) for name in got.sources]
    np.testing.assert_array_equal(got.masks, stamps.masks[order])
    assert verify(out).problems == []


def test_a_damaged_mask_of_a_part_is_one_line(built, tmp_path):
    """A mask that is cut short, and one with another value."""
    import pyarrow as pa

    from mingolotss.dataset.stamps import stamp_bytes
    from mingolotss.io.png import encode_png

    table = pq.read_table(BuildFolder(built).part_stamps(0))
    index = table.column_names.index("mask")
    for content, words in (
        (b"\x89PNG", "not a PNG"),
        (encode_png(np.full((150, 150), 3, np.uint8)), "a pixel is 3, and a mask has the values"),
        (encode_png(np.zeros((150, 149), np.uint8)), "149 x 150 pixels"),
    ):
        masks = [one | {"bytes": content} for one in table["mask"].to_pylist()]
        changed = table.set_column(
            index, table.schema.field(index), pa.array(masks, table.schema.field(index).type)
        )
        path = tmp_path / "part.parquet"
        path.write_bytes(stamp_bytes(changed))
        with pytest.raises(DatasetError, match=words):
            load(path)
