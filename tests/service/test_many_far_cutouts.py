"""Cutouts of many sources from mosaics at an address: the pixels of local files, each byte once."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import far_mosaics as sky
from compilers import needs_kernel
from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.candidates.requests import CutoutRequest, CutoutRequests
from mingolotss.errors import ImageError, ServiceError
from mingolotss.io.fits_layout import find_image
from mingolotss.io.http import Limits, RetryPolicy, Transport
from mingolotss.io.partial_copy import PartialCopy
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.service import remote_mosaic
from mingolotss.service.local import read_ahead
from mingolotss.service.local.mosaics import MosaicsService
from mingolotss.service.remote.range_mosaics import RangesService
from mingolotss.sky.wcs import SkyWCS

IMAGE, RMS = sky.noise(1), 40 + np.abs(sky.noise(2))
N = 40
DITHER = {"quantize_method": 1}
LOSSLESS = {"compression_type": "GZIP_2", "quantize_level": 0}


def scaled(data: np.ndarray) -> bytes:
    hdu = fits.PrimaryHDU(np.nan_to_num(data).astype("i2"), sky.CARDS.copy())
    hdu.header.update(BSCALE=0.5, BZERO=3.0, BLANK=int(hdu.data[400, 300]))
    return sky.as_bytes(hdu)


KINDS = {
    "plain": (sky.plain(IMAGE), sky.plain(RMS)),
    "no rms map": (sky.plain(IMAGE), None),
    "float64 in an extension": (
        sky.as_bytes(fits.PrimaryHDU(), fits.ImageHDU(IMAGE.astype("f8"), sky.CARDS.copy())),
        sky.plain(RMS),
    ),
    "scaled": (scaled(IMAGE), scaled(RMS)),
    "packed": (sky.packed(IMAGE), sky.packed(RMS)),
    "packed, dithered rows": (sky.packed(IMAGE, tile_shape=(1, 700), **DITHER), sky.packed(RMS)),
    "packed, lossless": (sky.packed(IMAGE, **LOSSLESS), sky.packed(RMS, **LOSSLESS)),
    "packed rms map": (sky.plain(IMAGE), sky.packed(RMS, **DITHER)),
}


def files_of(kind: str) -> dict[str, bytes]:
    """Return the files of a kind by their paths on a server."""
    contents = zip(("/P1-mosaic", "/P1-mosaic-rms"), KINDS[kind], strict=True)
    return {
        name + (".fits.fz" if b"ZIMAGE" in content else ".fits"): content
        for name, content in contents
        if content is not None
    }


def transport() -> Transport:
    policy = RetryPolicy(attempts=2, first_s=0.0, longest_s=0.01, outage_s=0.0)
    return Transport(limits=Limits(read_s=5.0), retry_policy=policy)


def requests(root: str, files: dict[str, bytes], count: int = N) -> CutoutRequests:
    image, rms = ([root + path for path in sorted(files, key=len)] + [""])[:2]
    ra, dec = sky.places(count)
    return CutoutRequests.from_requests(
        [
            CutoutRequest(Candidate("P1", image, rms), Source(row, f"S{row}", *place))
            for row, place in enumerate(zip(ra.tolist(), dec.tolist(), strict=True))
        ]
    )


def near(folder: Path, files: dict[str, bytes], count: int = N) -> CutoutArray:
    """Return the cutouts from the same files on this disk."""
    folder.mkdir(exist_ok=True)
    for path, content in files.items():
        (folder / path[1:]).write_bytes(content)
    return MosaicsService(str(folder)).cutouts(requests(str(folder), files, count), sky.SIZE_DEG)


def assert_same(cutouts: CutoutArray, expected: CutoutArray, rows: Iterator[int] | range) -> None:
    for row in rows:
        one, other = cutouts[row], expected[row]
        if not isinstance(other, Cutout):
            assert type(one) is type(other)
            continue
        assert isinstance(one, Cutout), one
        np.testing.assert_array_equal(one.image, other.image)
        assert one.origin == other.origin
        assert (one.rms is None) == (other.rms is None)
        if other.rms is not None:
            np.testing.assert_array_equal(one.rms, other.rms)


def needed(place: sky.Far) -> int:
    """Return the bytes of all pixels under cutouts, of image and rms map of float32."""
    covered = np.zeros(sky.SHAPE, bool)
    x, y = remote_wcs().to_pixel(*sky.places(N))
    for column, row in zip(np.rint(x).astype(int), np.rint(y).astype(int), strict=True):
        top, left = row - sky.SIDE // 2, column - sky.SIDE // 2
        covered[max(top, 0) : max(top + sky.SIDE, 0), max(left, 0) : max(left + sky.SIDE, 0)] = True
    return 2 * 4 * int(covered.sum())


def remote_wcs() -> SkyWCS:
    return SkyWCS.from_header(sky.HEADER)


@needs_kernel
@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_cutouts_are_those_of_local_files(tmp_path, kind, many):
    """Together, and what was read ahead is not requested again."""
    files = files_of(kind)
    expected = near(tmp_path / "near", files)
    with sky.far(files, many=many) as place:
        service = MosaicsService(place.url, transport())
        asked = requests(place.url, files)
        assert_same(service.cutouts(asked, sky.SIZE_DEG), expected, range(N))
        assert many or sum(len(spans) > 1 for _, spans in place.sent) <= 1  # it is asked once
        ahead = MosaicsService(place.url, transport())
        assert ahead.read_ahead(asked, sky.SIZE_DEG) == N
        place.forget()
        assert_same(ahead.cutouts(asked, sky.SIZE_DEG), expected, range(N))
        assert not place.sent


@pytest.mark.parametrize("service", ["mosaics", "ranges"])
def test_bytes_and_requests_are_few(tmp_path, service):
    """Headers and gaps are a fifth of the needed bytes at most, in far fewer requests."""
    files = files_of("plain")
    with sky.far(files) as place:
        asked = requests(place.url, files)
        if service == "mosaics":
            MosaicsService(place.url, transport()).cutouts(asked, sky.SIZE_DEG)
        else:
            RangesService(place.url, transport=transport(), workspace=tmp_path).fetch(
                list(asked)[:-1], sky.SIZE_DEG
            )
        headers = 2 * 16 * 2880
        assert place.nbytes - headers <= 1.1 * needed(place)
        assert len(place.sent) <= N // 2


@pytest.mark.parametrize("many", [True, False])
def test_a_range_that_the_server_refuses_costs_only_its_cutouts(tmp_path, many):
    """Each of them has the error of its own request."""
    files = files_of("plain")
    expected = near(tmp_path / "near", files)
    layout = find_image(files["/P1-mosaic.fits"])
    x, y = (round(float(axis[0])) for axis in remote_wcs().to_pixel(*sky.places(N)))
    bad = layout.offset + (y * sky.SHAPE[1] + x) * 4  # under the first source

    def refuse(line, spans):
        hit = line.path == "/P1-mosaic.fits" and any(a <= bad < b for a, b in spans)
        if hit:
            line.send(b"a bad block", "500 Internal Server Error")
        return hit

    with sky.far(files, many=many) as place:
        place.before = refuse
        service = MosaicsService(place.url, transport())
        cutouts = service.cutouts(requests(place.url, files), sky.SIZE_DEG)
        errors = {row for row, error in cutouts.errors.items() if isinstance(error, ServiceError)}
        assert 0 < len(errors) < N // 2
        assert all("status 500" in str(cutouts.errors[row]) for row in errors)
        assert_same(cutouts, expected, (row for row in range(N) if row not in errors))
        place.before = None  # the server is well again
        assert_same(service.cutouts(requests(place.url, files), sky.SIZE_DEG), expected, range(N))


@needs_kernel
@pytest.mark.parametrize("kind", ["plain", "packed"])
def test_a_file_that_changes_in_the_middle_is_one_line_and_no_mixture(tmp_path, kind):
    files = files_of(kind)
    others = dict(zip(files, reversed(files.values()), strict=True))
    first, second = next(iter(files)), near(tmp_path / "near", others)
    with sky.far(files) as place:
        count = 0

        def change(line, spans):
            nonlocal count
            count += line.path == first
            if count == 3:  # header, first request, and now
                for path, content in others.items():
                    place.replace(path, content)
            return False

        place.before = change
        service, asked = MosaicsService(place.url, transport()), requests(place.url, files)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mingolotss.io.range_plan.REQUEST_BYTES", len(files[first]) // 4)
            cutouts = service.cutouts(asked, sky.SIZE_DEG)
        messages = {str(error) for error in cutouts.errors.values()}
        assert len(cutouts.errors) == N
        assert len(messages) == 1
        assert "the file was changed on the server after its header was read" in messages.pop()
        again = service.cutouts(asked, sky.SIZE_DEG)
        if "was changed" in str(again.errors.get(0, "")):  # of the rms map
            again = service.cutouts(asked, sky.SIZE_DEG)
        assert_same(again, second, range(N))
        place.before = None


def test_a_file_that_changes_while_it_is_read_ahead_is_read_anew(tmp_path):
    files = files_of("no rms map")
    other = {"/P1-mosaic.fits": sky.plain(RMS)}
    expected = near(tmp_path / "near", other)
    with sky.far(files) as place:

        def change(line, spans):
            if len(place.sent) == 2:
                place.replace(line.path, other[line.path])
            return False

        place.before = change
        service, asked = MosaicsService(place.url, transport()), requests(place.url, files)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mingolotss.io.range_plan.REQUEST_BYTES", 1 << 18)
            service.read_ahead(asked, sky.SIZE_DEG)
        assert_same(service.cutouts(asked, sky.SIZE_DEG), expected, range(N))


def test_a_header_that_cannot_be_read_is_requested_once():
    """Of what is read ahead; the error comes with the cutouts."""
    files = files_of("plain")
    (rms,) = [path for path in files if "rms" in path]
    with sky.far(files | {rms: b"<html>none</html>"}) as place:
        service, asked = MosaicsService(place.url, transport()), requests(place.url, files)
        service.read_ahead(asked, sky.SIZE_DEG)
        assert [path for path, _ in place.sent].count(rms) == 1
        errors = service.cutouts(asked, sky.SIZE_DEG).errors
    assert len(errors) == N
    assert "an HTML page, not a FITS file" in str(errors[0])


def test_short_answers_and_redirects_are_followed(tmp_path):
    files, count = files_of("plain"), 5
    expected = near(tmp_path / "near", files, count)

    def short(line, spans):
        if not line.path.startswith("/real"):
            line.send(b"", "302 Found", Location=f"/real{line.path}")
            return True
        content, half = place.files[line.path], [(a, a + -(-(b - a) // 2)) for a, b in spans]
        place.send(line, content, half[:1], '"1"')
        return True

    with sky.far(files | {f"/real{path}": content for path, content in files.items()}) as place:
        place.before = short
        service = MosaicsService(place.url, transport())
        asked = requests(place.url, files, count)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mingolotss.io.byte_ranges._MAX_SHORT_ANSWERS", 10_000)
            assert_same(service.cutouts(asked, sky.SIZE_DEG), expected, range(count))


@needs_kernel
@pytest.mark.parametrize("kind", ["plain", "packed"])
def test_a_file_that_ends_early_costs_only_the_cutouts_behind_its_end(tmp_path, kind):
    files = files_of(kind)
    path, whole = next(iter(files)), near(tmp_path / "near", files)
    with sky.far(files | {path: files[path][: len(files[path]) * 2 // 3]}) as place:
        cutouts = MosaicsService(place.url, transport()).cutouts(
            requests(place.url, files), sky.SIZE_DEG
        )
    late = {row for row in cutouts.errors if isinstance(whole[row], Cutout)}
    assert 0 < len(late) < N
    assert_same(cutouts, whole, (row for row in range(N) if row not in late))
    assert all(isinstance(cutouts.errors[row], ServiceError | ImageError) for row in late)


def test_a_server_that_ignores_ranges_is_one_line():
    files = files_of("plain")
    with sky.far(files) as place:
        place.before = lambda line, _: line.send(files[line.path]) is None
        cutouts = MosaicsService(place.url, transport()).cutouts(
            requests(place.url, files), sky.SIZE_DEG
        )
    assert len({str(error) for error in cutouts.errors.values()}) == 1
    assert "offers only the whole file" in str(cutouts.errors[0])


def test_without_room_for_a_copy_cutouts_are_read_one_by_one(tmp_path, monkeypatch):
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    files = files_of("plain")
    expected = near(tmp_path / "near", files)
    for method in ("write", "__init__"):
        monkeypatch.setattr(PartialCopy, method, full)
        with sky.far(files) as place:
            service = MosaicsService(place.url, transport())
            service.read_ahead(requests(place.url, files), sky.SIZE_DEG)
            assert_same(
                service.cutouts(requests(place.url, files), sky.SIZE_DEG), expected, range(N)
            )


@needs_kernel
@pytest.mark.parametrize("kind", ["plain", "packed"])
def test_a_copy_that_is_dropped_is_fetched_again(tmp_path, monkeypatch, kind):
    """The limit of all copies is passed by each mosaic, and runs are of single requests."""
    files = files_of(kind)
    expected = near(tmp_path / "near", files)
    monkeypatch.setattr(remote_mosaic, "_COPIED_BYTES", 1)
    monkeypatch.setattr(read_ahead, "_MOST_BYTES", 300_000)
    twice = files | {path.replace("P1", "P2"): content for path, content in files.items()}
    with sky.far(twice) as place:
        service, first = MosaicsService(place.url, transport()), requests(place.url, files)
        second = CutoutRequests.from_requests(
            [
                CutoutRequest(
                    Candidate(
                        "P2", one.image.replace("P1", "P2"), one.rms.replace("P1", "P2")
                    ),
                    source,
                )
                for one, source in first
            ]
        )  # fmt: skip
        assert 1 <= service.read_ahead(first, sky.SIZE_DEG) < N
        for asked in (first, second, first):
            assert_same(service.cutouts(asked, sky.SIZE_DEG), expected, range(N))


@needs_kernel
@pytest.mark.parametrize("kind", ["plain", "scaled", "packed", "packed, lossless"])
def test_files_of_cutouts_do_not_depend_on_what_is_fetched_together(tmp_path, kind):
    """They are the same bytes alone, and after an interruption only the others are requested."""
    files = files_of(kind)
    with sky.far(files) as place:
        asked = list(requests(place.url, files))[:12]
        alone = RangesService(place.url, transport=transport(), workspace=tmp_path / "alone")
        for request in asked:
            alone.fetch_files(request, sky.SIZE_DEG)
        together = RangesService(place.url, transport=transport(), workspace=tmp_path / "all")
        together.fetch(asked, sky.SIZE_DEG)
        folders = [tmp_path / name / "cutouts" for name in ("alone", "all")]
        one, other = ({p.name: p.read_bytes() for p in f.iterdir()} for f in folders)
        assert one == other
        assert len(one) == 24
        expected = near(tmp_path / "near", files)
        for row, request in enumerate(asked):
            cutout = together.read_cutout(request, sky.SIZE_DEG)
            np.testing.assert_array_equal(cutout.image, expected[row].image)
        later = RangesService(place.url, transport=transport(), workspace=tmp_path / "all")
        place.forget()
        later.fetch(asked, sky.SIZE_DEG)
        assert not place.sent
        lost = folders[1] / "S3_P1-mosaic-rms.fits"
        lost.unlink()
        later.fetch(asked, sky.SIZE_DEG)
        assert {path for path, _ in place.sent} == {sorted(files, key=len)[1]}
        assert lost.read_bytes() == one[lost.name]
