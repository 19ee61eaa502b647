"""Images of several channels as PyTorch, numpy, Keras and a notebook have them."""

from __future__ import annotations

import base64
import io
import os
import pickle
import re

import numpy as np
import pytest
from PIL import Image

from channel_builds import NAMES, SIDE, write_build
from mingolotss import MingoLoTSS, load
from mingolotss.errors import InputError

torch = pytest.importorskip("torch", reason="needs mingolotss[torch]")
KINDS = [(3, "uint8"), (3, "float32"), (2, "uint8"), (5, "float32"), (1, "uint8"), (1, "float32")]


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    root = tmp_path_factory.mktemp("loaded")
    folders = {pair: root / f"{pair[0]}-{pair[1]}" for pair in KINDS}
    return {pair: (folder, write_build(folder, *pair)) for pair, folder in folders.items()}


def equal(tensor, array):
    """Compare a tensor with an array to the bit, NaN included."""
    np.testing.assert_array_equal(tensor.numpy(), array, strict=True)


@pytest.mark.parametrize("pair", KINDS)
def test_tensors_have_channels_first(builds, pair):
    """(C, H, W) as float32, from 0 to 1 for uint8 and in Jy/beam for float32; batches of them."""
    folder, images = builds[pair]
    train = images[np.arange(len(images)) % 4 != 3]
    unit = train / np.float32(255) if pair[1] == "uint8" else train
    data = MingoLoTSS(folder, tensors=True)
    assert data.channels == list(NAMES[: pair[0]])
    image, label = data[0]
    assert tuple(image.shape) == (pair[0], SIDE, SIDE)
    assert (image.dtype, label) == (torch.float32, 0)
    equal(image, unit[0])
    batches = list(torch.utils.data.DataLoader(data, batch_size=4))
    equal(torch.cat([batch for batch, _ in batches]), unit)
    if pair[1] == "uint8":
        equal(MingoLoTSS(folder, tensors=torch.uint8)[1][0], train[1])


@pytest.mark.parametrize("pair", KINDS)
def test_items_without_tensors(builds, pair):
    """A PIL image where PIL has a mode, and otherwise the array that ToTensor takes."""
    folder, images = builds[pair]
    item, _ = MingoLoTSS(folder)[0]
    modes = {(3, "uint8"): "RGB", (1, "uint8"): "L", (1, "float32"): "F"}
    assert (item.mode if isinstance(item, Image.Image) else None) == modes.get(pair)
    expected = images[0].transpose(1, 2, 0)
    got = np.asarray(item)
    np.testing.assert_array_equal(got.reshape(expected.shape), expected, strict=True)
    assert got.shape[2:] == ((pair[0],) if pair[0] > 1 else ())


def test_data_is_that_of_cifar(builds):
    """``data`` has the channels last, is selected and changed in place, and keeps its samples."""
    folder, images = builds[3, "uint8"]
    data = MingoLoTSS(folder, split="all")
    np.testing.assert_array_equal(data.data, images.transpose(0, 2, 3, 1))
    data.data[0] = 7
    assert np.asarray(data[0][0]).max() == np.asarray(data[0][0]).min() == 7
    mask = np.arange(len(images)) % 2 == 1
    data.data, data.targets = data.data[mask], np.array(data.targets)[mask].tolist()
    assert data.sources == [f"J{row:03d}.5+1" for row in range(1, 12, 2)]
    np.testing.assert_array_equal(np.asarray(data[2][0]), images[5].transpose(1, 2, 0))
    assert data.table["missing_channels"].to_pylist() == [""] * 6
    with pytest.raises(InputError, match=r"give images of shape \(n, ny, nx, 3\)"):
        data.data = np.zeros((6, SIDE, SIDE, 1), np.uint8)


@pytest.mark.parametrize("pair", [(3, "uint8"), (5, "float32")])
def test_channels_are_selected_for_tensors(builds, pair):
    """By name and in any order; a worker that opens the files itself has the same."""
    folder, images = builds[pair]
    names = [NAMES[2], NAMES[0]]
    data = MingoLoTSS(folder, split="all", channels=names, tensors=True)
    assert data.channels == names
    again = pickle.loads(pickle.dumps(data))
    for one in (data, again):
        batch = torch.stack([image for image, _ in one])
        unit = images / np.float32(255) if pair[1] == "uint8" else images
        equal(batch, unit[:, [2, 0]])
    equal(data[1:3][1][0], unit[2][[2, 0]])
    with pytest.raises(InputError, match="no channel 'radio'; there are low, high"):
        MingoLoTSS(folder, channels=["radio"])


def test_a_dataset_without_channels_has_none(tmp_path):
    """It names no channels, and none can be selected."""
    from readers_data import IMAGES, LABELS, write_batches

    write_batches(tmp_path, IMAGES, LABELS)
    assert MingoLoTSS(tmp_path).channels == []
    assert load(tmp_path).channels == ()
    with pytest.raises(InputError, match=r"channels=\['low'\], and its images have no channels"):
        load(tmp_path, channels=["low"])


@pytest.mark.parametrize(
    ("pair", "shape", "mode"),
    [((3, "uint8"), (SIDE, SIDE), "RGB"), ((3, "float32"), (SIDE, SIDE), "RGB"),
     ((2, "uint8"), (2 * SIDE + 1, SIDE), "L"), ((5, "float32"), (5 * SIDE + 4, SIDE), "L"),
     ((1, "uint8"), (SIDE, SIDE), "L")],
)  # fmt: skip
def test_pictures_in_a_notebook(builds, pair, shape, mode):
    """Three channels in colour, others side by side; the text names the channels."""
    folder, _ = builds[pair]
    for one in (load(folder), MingoLoTSS(folder)):
        html = one._repr_html_()
        pngs = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
        with Image.open(io.BytesIO(base64.b64decode(pngs[0]))) as picture:
            assert (picture.size, picture.mode) == (shape, mode)
        assert ", ".join(NAMES[: pair[0]]) in html
        assert ", ".join(NAMES[: pair[0]]) in repr(one)
        number = "1 channel" if pair[0] == 1 else f"{pair[0]} channels"
        assert f"in {number}, {pair[1]}" in html


@pytest.mark.parametrize("pair", KINDS)
def test_plots(builds, pair):
    """One cell for each source, whose width is that of its channels."""
    pytest.importorskip("matplotlib", reason="needs mingolotss[report]")
    figure = load(builds[pair][0]).plot(6)
    shapes = {axes.images[0].get_array().shape for axes in figure.axes if axes.images}
    wide = (SIDE, pair[0] * (SIDE + 1) - 1) if pair[0] != 3 else (SIDE, SIDE, 3)
    assert shapes == {wide}
    assert figure.get_supxlabel().endswith(f": {', '.join(NAMES[: pair[0]])}")
    figure.clear()


@pytest.mark.parametrize("pair", KINDS)
def test_batches_for_keras_have_channels_last(builds, pair):
    """(n, ny, nx, channels), as the default of Keras, in one piece of memory."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("keras", reason="needs mingolotss[keras] and a backend")
    from mingolotss import MingoSequence

    folder, images = builds[pair]
    batches = MingoSequence(folder, "all", batch_size=5, shuffle=False)
    assert batches.channels == list(NAMES[: pair[0]])
    got = np.concatenate([batch for batch, _ in (batches[i] for i in range(len(batches)))])
    unit = images / np.float32(255) if pair[1] == "uint8" else images
    np.testing.assert_array_equal(got, unit.transpose(0, 2, 3, 1), strict=True)
    assert batches[0][0].flags.c_contiguous
    assert f"shape (n, {SIDE}, {SIDE}, {pair[0]})" in repr(batches)
    one = MingoSequence(folder, "all", shuffle=False, channels=NAMES[0])
    assert one[0][0].shape[-1] == 1
