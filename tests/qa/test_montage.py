"""The montage: one row for each class, and the same picture every time."""

import numpy as np
import pytest
from PIL import Image

from mingolotss.errors import InputError
from mingolotss.qa.report.montage import montage, pick, write_montage

NAMES = ["FRI", "FRI NAT", "Indeterminate Small"]


@pytest.fixture
def stamps():
    """Thirty stamps, each with a bar of its own length."""
    images = np.zeros((30, 150, 150), np.uint8)
    for k, image in enumerate(images):
        image[70:80, 75 - k : 76 + k] = 200
    return images, np.arange(30) % 3


def test_size_follows_rows_and_columns(stamps):
    picture = montage(*stamps, NAMES, per_class=4)
    assert picture.mode == "RGB"
    assert picture.size == (162 + 4 * 156 + 6, 3 * 156 + 6)


def test_every_row_has_its_name(stamps):
    pixels = np.asarray(montage(*stamps, NAMES, per_class=4)).astype(int)
    for row in range(3):
        text = pixels[6 + row * 156 :][:150, :162].sum(axis=2)
        assert (text > 500).sum() > 60
        assert (text[:, :4] > 200).sum() == 0  # nothing is cut off at the left


def test_class_without_a_stamp_has_no_row(stamps):
    images, labels = stamps
    picture = montage(images, labels, ["FRI", "FRI NAT", "FRI WAT", "Double Double"], per_class=2)
    assert picture.size[1] == 3 * 156 + 6


def test_same_seed_same_picture(stamps):
    first, second, other = (montage(*stamps, NAMES, per_class=3, seed=s) for s in (1, 1, 2))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_choice_prefers_stamps_that_show_something(stamps):
    images, labels = stamps
    chosen = pick(images, labels, 0, 3)
    assert len(set(chosen)) == 3
    assert (labels[chosen] == 0).all()
    assert chosen.min() >= 15  # the longer half


def test_choice_avoids_a_stamp_that_shows_only_a_neighbour():
    images = np.zeros((4, 150, 150), np.uint8)
    images[:, 70:80, 60:90] = 90
    images[2, 5:45, 60:110] = 255
    assert 2 not in pick(images, np.zeros(4, int), 0, 2)


def test_brightness_rises_with_the_stamp(stamps):
    images = np.zeros((1, 150, 150), np.uint8)
    images[0] = np.arange(150)[None, :]
    pixels = np.asarray(montage(images, [0], ["FRI"], per_class=1)).astype(int)
    row = pixels[80, 168 : 168 + 150].sum(axis=1)
    assert (np.diff(row) >= -2).all()
    assert row[-1] > row[0] + 200


def test_written_file_is_the_picture(stamps, tmp_path):
    path = write_montage(tmp_path / "montage.png", *stamps, NAMES, per_class=2)
    with Image.open(path) as read:
        assert read.tobytes() == montage(*stamps, NAMES, per_class=2).tobytes()
    assert [p.name for p in tmp_path.iterdir()] == ["montage.png"]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((0, 150, 150), np.uint8), []),
        (np.zeros((2, 150, 150), np.uint8), [0]),
        (np.zeros((150, 150), np.uint8), [0]),
        (np.zeros((1, 150, 150), np.uint8), [7]),
    ],
)
def test_what_cannot_be_shown_is_refused(images, labels):
    with pytest.raises(InputError, match="draw a montage"):
        montage(images, labels, NAMES)


def test_a_scale_bar_is_as_long_as_it_says(stamps):
    """At 1.5 arcsec per pixel, 30 arcsec are 20 pixels of the first stamp; the others have none."""
    images, labels = stamps
    plain, barred = (
        np.asarray(montage(images, labels, NAMES, per_class=3, pixel_arcsec=scale)).astype(int)
        for scale in (None, 1.5)
    )
    changed = np.abs(barred - plain).sum(axis=2) > 0
    first = changed[6:156, 168:318]
    assert first[141].sum() == pytest.approx(20, abs=2)
    assert not changed[6:156, 318:].any()


def test_a_blank_stamp_is_marked():
    images = np.zeros((2, 150, 150), np.uint8)
    images[1, 70:80, 60:90] = 255
    picture = np.asarray(montage(images, [0, 1], NAMES[:2], per_class=1)).astype(int)
    blank, other = (picture[y : y + 150, 168:318].sum(axis=2) for y in (6, 162))
    assert (blank > 500).sum() > 40
    assert (other[:60] > 500).sum() == 0


def test_stamps_of_different_scales_have_a_bar_each(stamps):
    """A bar says 30 arcsec at 1.5 arcsec per pixel, and another length at another scale."""
    images, labels = stamps
    scales = np.where(np.arange(30) < 24, 1.5, 0.4)
    plain, barred = (
        np.asarray(montage(images, labels, NAMES, per_class=8, pixel_arcsec=value)).astype(int)
        for value in (None, scales)
    )
    changed = np.abs(barred - plain).sum(axis=2) > 0
    lengths = set()
    for row in range(3):
        chosen = pick(images, labels, row, 8)
        for column, index in enumerate(chosen):
            top, left = 6 + row * 156, 168 + column * 156
            length = changed[top : top + 150, left : left + 150][141].sum()
            expected = 20 if scales[index] == 1.5 else 15 / 0.4
            assert length == pytest.approx(expected, abs=2), (row, column)
            lengths.add(expected)
    assert len(lengths) == 2
