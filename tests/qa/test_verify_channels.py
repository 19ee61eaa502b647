"""A build with channels of which single planes were changed: each line names the channel."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mingolotss.io.png import decode_png, encode_png
from mingolotss.loaders.arrays import load
from mingolotss.qa.compare import compare
from mingolotss.qa.verify import verify
from mingolotss.recipe.load import load_recipe
from readers_build import write_sky

NAMES = ("low", "high", "faint")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build images of three channels from one service, each clipped at another level."""
    from mingolotss.pipeline.run import build

    root = tmp_path_factory.mktemp("sky")
    catalogue, images = write_sky(root, count=12)
    channels = [
        {
            "name": name,
            "images": {"service": f"folder:{images}"},
            "steps": [{"do": "clip", "sigma": 1.0 + index}, {"do": "minmax"}],
        }
        for index, name in enumerate(NAMES)
    ]
    recipe = load_recipe("mingolotss").changed({"channels": channels})
    build(recipe, out=root / "build", catalogue=catalogue, service=f"folder:{images}")
    return root / "build"


def test_a_build_with_channels_checks_out(built):
    """PNG, batches, stamps and manifest have the same three channels."""
    assert verify(built).problems == []
    data = load(built)
    assert (data.channels, data.images.shape[1:]) == (NAMES, (3, 150, 150))
    assert {len(set(image.reshape(3, -1).sum(1).tolist())) for image in data.images} == {3}
    files = {path.name: path for path in (built / "png").iterdir()}
    for name, image in zip(data.filenames, data.images, strict=True):
        np.testing.assert_array_equal(decode_png(files[name].read_bytes(), name, 3), image)


def test_each_line_names_the_channels(built, tmp_path):
    """Of a PNG file, of a row of a batch, and of a stamp."""
    out = shutil.copytree(built, tmp_path / "out")
    png = next((out / "png").glob("*000009*"))
    image = decode_png(png.read_bytes(), "x", 3).copy()
    image[2, 5, 5] ^= 1
    png.write_bytes(encode_png(image))
    batch = next(out.glob("*batches-py/test_batch"))
    content = pickle.loads(batch.read_bytes())
    content["data"] = content["data"].copy()
    content["data"][0, [0, 150 * 150]] ^= 1
    batch.write_bytes(pickle.dumps(content, 4))
    part = next((out / "stamps").glob("*.parquet"))
    table = pq.read_table(part)
    stamps = table["image"].to_pylist()
    row = table["source"].to_pylist().index("ILTJ000003.5+50")
    image = decode_png(stamps[row]["bytes"], "x", 3).copy()
    image[1, 7, 7:9] ^= 4
    stamps[row]["bytes"] = encode_png(image)
    column = pa.array(stamps, table.schema.field(0).type)
    pq.write_table(table.set_column(0, table.schema.field(0), column), part)
    lines = [line for line in verify(out).problems if "checksum" not in line]
    assert sorted(lines) == [
        f"png/{png.name}: not the image of the manifest in its channel faint",
        f"stamps/{part.name}, row 3: not the image of the manifest in its channel high",
        "test_batch: its images differ from the manifest in its channels low, high",
    ]
    assert compare(built, out).pixels == ["ILTJ000003.5+50: 2 pixels in high, by 4 at most"]
