"""Pictures of stamps with channels: columns, colours, missing planes, scale bars and directions."""

import numpy as np
import pytest

from mingolotss.errors import InputError
from mingolotss.qa.report.channel_montage import ChannelStamp, channel_montage
from mingolotss.qa.report.colours import composite, displayed
from mingolotss.qa.report.stamp_marks import Compass

NAMES_WIDTH, GUTTER = 162, 6


def make_planes(channels, side=150, dtype=np.uint8):
    """One blob in each channel, the brighter the later the channel."""
    y, x = np.indices((side, side)) - side // 2
    blob = np.exp(-(x**2 + y**2) / (2 * (side / 15) ** 2))
    top = 255 if dtype == np.uint8 else 1
    return np.stack([blob * top * (c + 1) / channels for c in range(channels)]).astype(dtype)


def tiles_of(picture, columns, rows, side):
    """Cut a montage into its tiles: rows of columns of RGB pixels."""
    pixels = np.asarray(picture).astype(int)
    top = pixels.shape[0] - rows * (side + GUTTER)
    left = NAMES_WIDTH + GUTTER
    return [
        [
            pixels[top + row * (side + GUTTER) :, left + column * (side + GUTTER) :][:side, :side]
            for column in range(columns)
        ]
        for row in range(rows)
    ]


@pytest.mark.parametrize(("channels", "columns"), [(1, 1), (2, 2), (3, 4), (5, 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_each_channel_has_a_column_and_three_have_colours(channels, columns, dtype):
    stamp = ChannelStamp("S1", make_planes(channels, dtype=dtype))
    picture = channel_montage([stamp, stamp], [[f"c{n}"] for n in range(channels)])
    assert picture.width == NAMES_WIDTH + columns * 156 + GUTTER
    for row in tiles_of(picture, columns, 2, 150):
        for tile in row:
            assert tile[75, 75].sum() > tile[20, 20].sum() + 100


def test_three_channels_are_red_green_and_blue_in_order():
    planes = np.zeros((3, 40, 40), np.uint8)
    for channel in range(3):
        planes[channel, 10 * channel : 10 * channel + 10] = 255
    rgb = composite(planes)
    for channel in range(3):
        expected = [255 if one == channel else 0 for one in range(3)]
        assert (rgb[10 * channel : 10 * channel + 10] == expected).all()
    assert (rgb[30:] == 0).all()


@pytest.mark.parametrize("missing_value", [0, np.nan])
def test_a_plane_without_an_image_is_marked(missing_value):
    """It is grey with words, whatever fills it; a plane that is only dark is black."""
    planes = make_planes(2, dtype=np.float32)
    planes[1] = missing_value
    without, dark = (
        tiles_of(channel_montage([stamp], [["a"], ["b"]]), 2, 1, 150)[0][1]
        for stamp in (
            ChannelStamp("S1", planes, frozenset({1})),
            ChannelStamp("S1", np.nan_to_num(planes)),
        )
    )
    assert (without[5, 5] > 20).all()
    assert dark[5, 5].sum() < 10
    assert (without > 200).all(axis=2).sum() > 40


@pytest.mark.parametrize(("side", "zoom"), [(32, 5), (75, 2), (150, 1), (400, 1)])
def test_a_scale_bar_is_as_long_as_it_says_in_stamps_of_any_size(side, zoom):
    """Each row has the bar of its own scale, also in stamps that are enlarged."""
    planes = make_planes(2, side)
    scales = (0.13, 1.5, 4.0)
    barred, plain = (
        tiles_of(
            channel_montage(
                [ChannelStamp("S", planes, pixel_arcsec=scale) for scale in row], [["a"], ["b"]]
            ),
            2, 3, side * zoom,
        )
        for row in (scales, [np.nan] * 3)
    )  # fmt: skip
    allowed = [1, 2, 5, 10, 15, 30, 60, 120, 300]
    for row, scale in enumerate(scales):
        changed = np.abs(barred[row][0] - plain[row][0]).sum(axis=2) > 0
        length = changed[round(0.94 * side * zoom)].sum() / zoom * scale
        assert min(abs(length - one) for one in allowed) < 2.5 * scale
        assert (barred[row][1] == plain[row][1]).all()


def test_a_turned_stamp_has_a_compass():
    planes = make_planes(2)
    stamps = [ChannelStamp("S", planes, compass=one) for one in (None, Compass(-60.0, -150.0))]
    usual, turned = (
        tiles_of(channel_montage([stamp], [["a"], ["b"]]), 2, 1, 150)[0] for stamp in stamps
    )
    changed = np.abs(turned[0] - usual[0]).sum(axis=2) > 0
    assert changed[:60, 90:].sum() > 20
    changed[:60, 90:] = False
    assert not changed.any()
    assert (turned[1] == usual[1]).all()


def test_noise_is_dark_and_the_peak_is_bright():
    """A plane in Jy/beam begins at one standard deviation below its median."""
    noise = np.random.default_rng(1).normal(0, 1e-4, (100, 100)).astype(np.float32)
    noise[50, 50] = 0.01
    shown = displayed(noise)
    assert shown[50, 50] == 255
    assert np.median(shown) < 5
    noise[:20] = np.nan
    assert (displayed(noise)[:20] == 0).all()
    assert not displayed(np.full((9, 9), np.nan, np.float32)).any()


@pytest.mark.parametrize(
    ("shapes", "headings"), [([], 1), ([(2, 9, 9), (2, 8, 8)], 2), ([(2, 9, 9)], 3)]
)
def test_what_cannot_be_shown_is_refused(shapes, headings):
    stamps = [ChannelStamp("S", np.zeros(shape, np.uint8)) for shape in shapes]
    with pytest.raises(InputError, match="draw a montage of channels"):
        channel_montage(stamps, [["a"]] * headings)


def test_long_names_are_cut_and_no_letter_is_outside_its_column():
    stamp = ChannelStamp("A very long name of a source that has no sign in it", make_planes(2))
    picture = channel_montage([stamp], [["a" * 99, "LoTSS " * 20], ["b"]])
    pixels = np.asarray(picture).astype(int).sum(axis=2)
    assert (pixels[:, :4] < 100).all()  # nothing is cut off at the left
    assert (pixels[:40, NAMES_WIDTH + 156 : NAMES_WIDTH + 162] < 100).all()
