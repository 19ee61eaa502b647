"""The conformance suite for services finds each broken promise and names it in one line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u

from mingolotss.errors import ServiceUnavailableError
from mingolotss.model import Candidate, Cutout
from mingolotss.service.base import Estimate, fetch_cutouts
from mingolotss.service.base import search_all as search_each
from mingolotss.service.local.folder import read_cutout
from mingolotss.service.local.mosaics import MosaicsService
from mingolotss.testing import check_service
from survey_images import OwnService, as_mosaics, write_images


class Shifted(OwnService):
    """Its cutouts say that they begin one column later."""

    def cutout(self, candidate, position, size):
        return replace(read_cutout(candidate), origin=(1, 0))


class ChangedWCS:
    """A WCS whose positions on the image, or on the sky, are changed by a function."""

    def __init__(self, wcs, *, to_pixel=lambda x, y: (x, y), to_sky=lambda ra, dec: (ra, dec)):
        self._wcs, self._change_pixel, self._change_sky = wcs, to_pixel, to_sky
        self.pixel_scale_arcsec = wcs.pixel_scale_arcsec

    def to_pixel(self, ra, dec):
        return self._change_pixel(*self._wcs.to_pixel(ra, dec))

    def to_sky(self, x, y):
        return self._change_sky(*self._wcs.to_sky(x, y))


class HalfPixel(OwnService):
    """Its WCS is half a pixel off."""

    def cutout(self, candidate, position, size):
        cutout = read_cutout(candidate)
        return replace(cutout, wcs=ChangedWCS(cutout.wcs, to_pixel=lambda x, y: (x + 0.5, y)))


class OtherSky(OwnService):
    """Its WCS is right on the image and wrong on the sky."""

    def cutout(self, candidate, position, size):
        cutout = read_cutout(candidate)
        return replace(cutout, wcs=ChangedWCS(cutout.wcs, to_sky=lambda ra, dec: (ra, dec + 1e-4)))


class Missing(OwnService):
    """It leaves out one image of every answer."""

    def search(self, position, size):
        return super().search(position, size)[1:]


class Everywhere(OwnService):
    """Its footprints do not hold the position."""

    def search(self, position, size):
        path = self.folder / "P1-image.fits"
        return [Candidate("P1", str(path), str(path).replace("-image", "-rms"))]


class Unsteady(OwnService):
    """The order of its answers changes."""

    def search(self, position, size):
        self.count = getattr(self, "count", 0) + 1
        return super().search(position, size)[:: 1 if self.count % 2 else -1]


class OtherFrame(OwnService):
    """It finds nothing for galactic coordinates."""

    def search(self, position, size):
        if position.frame.name != "icrs":
            return []
        return super().search(position, size)


class SizeInArcsec(OwnService):
    """It finds nothing for a size in other units than arcsec."""

    def search(self, position, size):
        return super().search(position, size) if size.unit == u.arcsec else []


class NoRms(OwnService):
    """It leaves out the rms map of every cutout."""

    def cutout(self, candidate, position, size):
        return replace(read_cutout(candidate), rms=None)


class NoRmsOnOffer(OwnService):
    """Its candidates have no rms map."""

    def search(self, position, size):
        return [replace(candidate, rms="") for candidate in super().search(position, size)]


class Zeros(OwnService):
    """Pixels that were never observed are 0 and not NaN."""

    def cutout(self, candidate, position, size):
        cutout = read_cutout(candidate)
        return replace(cutout, image=np.nan_to_num(cutout.image))


class Integers(OwnService):
    """Its pixels are no floats."""

    def cutout(self, candidate, position, size):
        cutout = read_cutout(candidate)
        return replace(cutout, image=np.nan_to_num(cutout.image).astype("i4"))


class FalselyObserved(OwnService):
    """It says that every cutout is finite."""

    def cutout(self, candidate, position, size):
        return replace(read_cutout(candidate), fully_observed=True)


class ForeignError(OwnService):
    """For an unknown image it raises an error outside the tree."""

    def cutout(self, candidate, position, size):
        if "absent" in candidate.image:
            raise ValueError("no\nsuch file")
        return read_cutout(candidate)


class Down(OwnService):
    """Its search never answers."""

    def search(self, position, size):
        raise ServiceUnavailableError("no answer")


class Invents(OwnService):
    """An image that is not there has pixels all the same."""

    def cutout(self, candidate, position, size):
        return read_cutout(replace(candidate, image=candidate.image.replace(".absent", "")))


class NotPicklable(OwnService):
    """It cannot be sent to a worker."""

    def __reduce__(self):
        raise TypeError("cannot pickle a socket")


class Forgetful(OwnService):
    """The copy in a worker has lost where its files are."""

    def __getstate__(self):
        return {"folder": self.folder / "nowhere", "headers": {}}


class Bulk(OwnService):
    """A service with bulk methods that are right."""

    def search_all(self, catalogue, size_deg):
        rows = search_each(OwnService(self.folder), catalogue, size_deg)
        return [
            [replace(candidate, source=name) for candidate in row]
            for name, row in zip(catalogue.names, rows, strict=True)
        ]

    def cutouts(self, wanted, size_deg):
        return list(fetch_cutouts(OwnService(self.folder), wanted, size_deg))


class BulkUnsorted(Bulk):
    """Candidates of many sources are not sorted by field."""

    def search_all(self, catalogue, size_deg):
        return [row[::-1] for row in super().search_all(catalogue, size_deg)]


class BulkNameless(Bulk):
    """Candidates of many sources do not name their source."""

    def search_all(self, catalogue, size_deg):
        rows = super().search_all(catalogue, size_deg)
        return [[replace(candidate, source="") for candidate in row] for row in rows]


class BulkReversed(Bulk):
    """Many cutouts come back in another order."""

    def cutouts(self, wanted, size_deg):
        return super().cutouts(wanted, size_deg)[::-1]


class BulkShort(Bulk):
    """Failed cutouts are left out."""

    def cutouts(self, wanted, size_deg):
        return [one for one in super().cutouts(wanted, size_deg) if isinstance(one, Cutout)]


class BulkStops(Bulk):
    """The first failed cutout ends all others."""

    def cutouts(self, wanted, size_deg):
        for one in super().cutouts(wanted, size_deg):
            if not isinstance(one, Cutout):
                raise one
            yield one


BROKEN = {
    Shifted: "pixels are not the image's, the first at",
    HalfPixel: "not a whole number of pixels apart",
    OtherSky: "its corners are .* pixels off by its WCS",
    Missing: "the fields: the service gives",
    Everywhere: "the fields: the service gives",
    Unsteady: "the second answer",
    OtherFrame: "the fields in galactic coordinates",
    SizeInArcsec: "the fields with the size in degrees",
    NoRms: "having no rms map",
    NoRmsOnOffer: "having an rms map of",
    Zeros: "instead of nan",
    Integers: "2-d int32, not 2-d floats",
    FalselyObserved: "it says that it is fully observed",
    ForeignError: r"raised ValueError \(no such file\), which is no ServiceError or ImageError",
    Down: r"search at .* raised ServiceUnavailableError \(no answer\)",
    Invents: "which is not there, came back without an error",
    NotPicklable: "the service cannot be pickled for a worker: cannot pickle a socket",
    Forgetful: "the answer of a pickled copy",
    BulkUnsorted: "the fields, sorted",
    BulkNameless: "the candidate's source",
    BulkReversed: "the cutouts beside it failed too|is not that of the cutout",
    BulkShort: "the number of cutouts in bulk",
    BulkStops: "cutouts in bulk raised ImageError",
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Write the images that the services serve."""
    return write_images(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_promise_is_one_line(images, kind):
    """Each broken service fails with a line that names its fault."""
    with pytest.raises(AssertionError, match=BROKEN[kind]) as caught:
        check_service(
            kind(images[0].path.parent), images, np.random.default_rng(1), positions=12, whole=True
        )
    assert "\n" not in str(caught.value)


class TooSmall(MosaicsService):
    """Its cutouts are smaller than asked for."""

    def cutouts(self, wanted, size_deg):
        return super().cutouts(wanted, size_deg * 0.8)


class TooLarge(MosaicsService):
    """Its cutouts are larger than asked for."""

    def cutouts(self, wanted, size_deg):
        return super().cutouts(wanted, size_deg * 1.2)


class Brighter(MosaicsService):
    """Its pixels are nine times as bright."""

    def cutouts(self, wanted, size_deg):
        outcomes = super().cutouts(wanted, size_deg)
        return [
            replace(one, image=one.image * 9, fully_observed=False)
            if isinstance(one, Cutout)
            else one
            for one in outcomes
        ]


class OffCentre(MosaicsService):
    """Its cutouts are 3.6 arcsec to the north."""

    def cutouts(self, wanted, size_deg):
        moved = [
            one._replace(source=replace(one.source, dec=one.source.dec + 1e-3)) for one in wanted
        ]
        return super().cutouts(moved, size_deg)


@pytest.mark.parametrize(
    ("kind", "resampled", "words"),
    [
        (TooSmall, False, "do not reach"),
        (TooLarge, False, "were asked for"),
        (OffCentre, False, "do not reach"),
        (TooLarge, True, "were asked for"),
        (OffCentre, True, "not in the middle"),
        (Brighter, True, "pixels are not those of the image"),
    ],
)
def test_the_place_and_size_of_a_cutout_are_checked(images, tmp_path, kind, resampled, words):
    """A square of another size, at another place or of other brightness is found."""
    folder = as_mosaics(tmp_path, images).partition(":")[2]
    with pytest.raises(AssertionError, match=words):
        check_service(
            kind(folder), images, np.random.default_rng(1), positions=12, resampled=resampled
        )


def test_a_cutout_on_the_images_grid_passes_as_resampled(images, tmp_path):
    """The comparison of resampled cutouts is the weaker one."""
    folder = as_mosaics(tmp_path, images).partition(":")[2]
    service = MosaicsService(folder)
    check_service(service, images, np.random.default_rng(1), positions=12, resampled=True)


class CutsOnly(OwnService):
    """It has no search: each cutout shows whether the image covers the position."""

    def search(self, position, size):
        return [
            Candidate(
                path.name[: -len("-image.fits")], str(path), str(path).replace("-image", "-rms")
            )
            for path in sorted(self.folder.glob("*-image.fits"))
        ]


class Pretends(CutsOnly):
    """Past the edge of an image it gives pixels."""

    def cutout(self, candidate, position, size):
        cutout = read_cutout(candidate)
        x, y = cutout.wcs.to_pixel(position.icrs.ra.deg, position.icrs.dec.deg)
        ny, nx = cutout.image.shape
        if -0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5:
            return cutout
        wcs = ChangedWCS(cutout.wcs, to_pixel=lambda *_: (20.0, 20.0))
        return replace(cutout, image=np.ones_like(cutout.image), wcs=wcs)


def test_a_service_without_a_search_gives_no_pixels_that_are_not_there(images):
    """The position must be off the cutout, or the cutout an error."""
    with pytest.raises(AssertionError, match="where the image has none"):
        check_service(
            Pretends(images[0].path.parent), images, np.random.default_rng(1), positions=12,
            whole=True, searchable=False,
        )  # fmt: skip


class Fetching(Bulk):
    """A service that downloads, and promises what such a service should."""

    left = 0

    def search_all(self, catalogue, size_deg, progress=None):
        return super().search_all(catalogue, size_deg)

    def local_candidate(self, request):
        return request.candidate

    def estimate(self, wanted, size_deg):
        return Estimate(self.left, 0, 0)

    def fetch(self, wanted, size_deg, progress):
        for done in range(len(wanted)):
            progress(done + 1)
        return Bulk(self.folder)


class FetchesOthers(Fetching):
    """What it reads after a fetch is in another order."""

    def fetch(self, wanted, size_deg, progress):
        super().fetch(wanted, size_deg, progress)
        return BulkReversed(self.folder)


class FetchesInSilence(Fetching):
    """Its fetch reports no progress."""

    def fetch(self, wanted, size_deg, progress):
        return super().fetch(wanted, size_deg, int)


class FetchesAgain(Fetching):
    """After a fetch it would fetch again."""

    left = 1


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (FetchesOthers, "the fetched cutout of .* is not that of"),
        (FetchesInSilence, "the last number of finished cutouts reported"),
        (FetchesAgain, "the requests that are left"),
    ],
)
def test_a_fetch_is_checked(images, kind, words):
    """What is read after a fetch, the progress, and what the estimate says then."""
    folder = images[0].path.parent
    with pytest.raises(AssertionError, match=words):
        check_service(kind(folder), images, np.random.default_rng(1), positions=12, whole=True)


@pytest.mark.parametrize("kind", [OwnService, Bulk, Fetching])
def test_a_right_service_passes(images, kind):
    """What the broken services are made from breaks no promise, with and without bulk methods."""
    folder = images[0].path.parent
    check_service(kind(folder), images, np.random.default_rng(1), positions=12, whole=True)


def test_a_suite_without_a_position_on_an_image_says_so(images):
    """Too few positions prove nothing."""
    folder = images[0].path.parent
    with pytest.raises(AssertionError, match="no position is on an image"):
        check_service(
            OwnService(folder), images[2:], np.random.default_rng(1), positions=0, whole=True
        )
