"""The parts of a build whose images stay in their files, and the header of their collection."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mingolotss.dataset.manifest import MANIFEST
from mingolotss.dataset.masks import MASK_SHA256, encode_masks, mask_column
from mingolotss.dataset.stamps import encode_stamp, image_column, stamp_bytes, stamp_schema
from mingolotss.formats.base import ExportHeader
from mingolotss.formats.batch_layout import BatchLayout
from mingolotss.recipe.load import load_recipe
from mingolotss.recipe.model import parse_recipe

N = 2400  # in four files: of three groups of rows, of one row, of three groups, of no rows


def collection_header(**settings):
    """Return the header of a HATS collection of partitions of at most 600 rows."""
    recipe = load_recipe("lotss").to_dict() | {"hats": {"partition_rows": 600, **settings}}
    return ExportHeader(
        "x", "X", "", "", "x", "x.tar.gz", "random:", "hats", BatchLayout(),
        recipe=parse_recipe(recipe, "test"),
    )  # fmt: skip


def write_parts(folder, shape, order=None):
    """Write the parts of a build, by default in a random order; return its images and masks."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    axes = (len(shape.channels), 3, 3) if shape.channels else (3, 3)
    images = rng.integers(0, 255, (N, *axes)).astype(shape.dtype)
    masks = rng.integers(0, 3, (N, 3, 3)).astype(np.uint8)
    ra, dec = rng.uniform(-0.1, 0.1, N) % 360, rng.uniform(40, 40.2, N)
    order = rng.permutation(N) if order is None else order
    for number, rows in enumerate(np.split(order, [1100, 1101, N])):
        columns = {name: pa.nulls(len(rows), MANIFEST.field(name).type) for name in MANIFEST.names}
        columns["row"] = pa.array(rows)
        columns["source"] = pa.array([f"J{row}" for row in rows], pa.string())
        columns["ra"], columns["dec"] = pa.array(ra[rows]), pa.array(dec[rows])
        columns["label"] = pa.array(rows % 2, pa.int16())
        columns["image_file"] = pa.array([f"{row}.png" for row in rows], pa.string())
        schema = stamp_schema(shape, [MASK_SHA256])
        arrays = [
            image_column(shape, [encode_stamp(images[row]) for row in rows], columns["image_file"]),
            mask_column(encode_masks(masks[rows]), columns["image_file"]),
            *columns.values(),
            pa.array([f"{row}" for row in rows], pa.string()),
            *([pa.nulls(len(rows), schema.field("channels").type)] if shape.channels else []),
        ]
        data = stamp_bytes(pa.Table.from_arrays(arrays, schema=schema))
        (folder / f"part-{number:05d}.parquet").write_bytes(data)
    return images, masks
