"""The conformance suite for image services, for the shipped ones and for a user's own.

`check_service` asks a service about random positions in and around images that it is known to
serve, and compares every answer with astropy, pixel by pixel. The author of a plug-in makes the
images (FITS files that the service serves), names them here, and calls it from a test::

    def test_my_service(tmp_path):
        images = [Image("P1", tmp_path / "p1.fits", tmp_path / "p1-rms.fits")]
        check_service(MyService(tmp_path), images, np.random.default_rng(1))

It needs no test framework. The first promise that the service breaks is an AssertionError whose
message is one line: which promise, at which position, on which image. A service that passes

- finds each image that holds a position and no other, in the same order every time, whatever the
  frame of the position and the unit of the size; finding none is a normal answer;
- gives cutouts whose pixels, rms map and WCS are those of the image: a square of the size asked
  for, NaN past the edge of the image or ending there;
- gives the same answers for many sources at once as for each alone, in order, with an error in
  the place of a cutout that cannot be had;
- raises `ServiceError` or `ImageError` where a cutout cannot be had, and nothing else;
- can be pickled: workers get a copy, which gives the same answers;
- if it downloads (`FetchService`), reads the same cutouts after the fetch and reports progress.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ImageError, ServiceError
from mingolotss.model import Candidate, Cutout, Source
from mingolotss.service.base import (
    BulkService,
    CutoutRequest,
    FetchService,
    ImageService,
    fetch_cutouts,
    search_all,
)

__all__ = ["Image", "check_service"]

_CLOSE = 1e-6  # pixels
_FEW = 5  # positions for the checks that need no random sample
_Result = TypeVar("_Result")
_Outcome = Cutout | ImageError | ServiceError


@dataclass(frozen=True)
class Image:
    """One image that the service under test serves.

    Attributes
    ----------
    field : str
        The name that the service gives to the image's field.
    path, rms : Path or None
        FITS files with its pixels; `rms` is None where the service has no rms map of it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from mingolotss.testing import Image
    >>> Image("P1", Path("p1.fits")).rms is None
    True
    """

    field: str
    path: Path
    rms: Path | None = None

    @cached_property
    def pixels(self) -> npt.NDArray[Any]:
        """Return the image as astropy reads it, shape (ny, nx)."""
        return _read_with_astropy(self.path)[0]

    @cached_property
    def noise(self) -> npt.NDArray[Any] | None:
        """Return the rms map as astropy reads it, shape (ny, nx)."""
        return None if self.rms is None else _read_with_astropy(self.rms)[0]

    @cached_property
    def wcs(self) -> Any:
        """Return astropy's celestial WCS of the image."""
        return _read_with_astropy(self.path)[1]

    def holds(self, position: Any) -> bool:
        """Tell whether a position (SkyCoord) is on the image's array, to the edge of its pixels.

        Parameters
        ----------
        position : SkyCoord
            In any frame.

        Returns
        -------
        bool
            Whether it does.
        """
        ny, nx = self.pixels.shape
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x, y = self.wcs.world_to_pixel(position)
        return bool(-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5)


@dataclass(frozen=True)
class _Suite:
    """One service under test; the arguments of `check_service` as they are there."""

    service: ImageService
    images: dict[str, Image]
    size_arcsec: float
    whole: bool
    resampled: bool
    searchable: bool
    named_for: str

    @cached_property
    def size(self) -> Any:
        """Return the side of the cutouts as a Quantity."""
        from astropy import units as u

        return self.size_arcsec * u.arcsec

    def expected_fields(self, position: Any) -> list[str]:
        """Return the fields that a search at a position should give, sorted."""
        return sorted(f for f, i in self.images.items() if not self.searchable or i.holds(position))


def check_service(
    service: ImageService,
    images: Sequence[Image],
    rng: np.random.Generator,
    *,
    positions: int = 40,
    size_arcsec: float = 60.0,
    whole: bool = False,
    resampled: bool = False,
    searchable: bool = True,
    named_for: str = "",
) -> None:
    """Check that a service does what `ImageService` promises, at random positions.

    Parameters
    ----------
    service : ImageService
        One that downloads is opened with a workspace.
    images : sequence of Image
        All that it serves.
    rng : numpy.random.Generator
        The source of the positions and of the order of requests.
    positions : int
        Number of positions; about two thirds of them are on an image.
    size_arcsec : float
        Side of the cutouts.
    whole : bool
        The service gives its images whole, whatever size is asked for.
    resampled : bool
        Cutouts are on a grid of their own: values are compared with the neighbouring pixels of
        the image instead of being identical.
    searchable : bool
        False for a service that has no search: it offers every image at every position, and the
        cutout shows whether the image covers the position.
    named_for : str
        Given, the bulk search goes by the names of the sources and not by their positions, and
        all images are those of the source of this name.

    Raises
    ------
    AssertionError
        The service breaks a promise; the message says which, and where.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import mingolotss
    >>> from mingolotss.testing import Image, check_service
    >>> sky = Path("demo/sky")
    >>> fields = [path.name.removesuffix("-mosaic.fits") for path in sky.glob("*-mosaic.fits")]
    >>> images = [
    ...     Image(field, sky / f"{field}-mosaic.fits", sky / f"{field}-mosaic-rms.fits")
    ...     for field in fields
    ... ]
    >>> service = mingolotss.open_service("mosaics:demo/sky")
    >>> check_service(service, images, np.random.default_rng(1), positions=6)
    """
    # The order matters: searches come first, since the other checks use their candidates; bulk
    # answers are compared with single ones, which by then have been compared with astropy. The
    # requests are shuffled, so that a service which groups them by image must put its answers back
    # in order.
    by_field = {image.field: image for image in images}
    suite = _Suite(service, by_field, size_arcsec, whole, resampled, searchable, named_for)
    sky = _random_positions(images, rng, positions)
    copy = _pickled_copy(service)
    candidates = [_check_search(suite, copy, position) for position in sky]
    for position in sky[:_FEW]:
        _check_search_arguments(suite, position)
    for position, offered in zip(sky, candidates, strict=True):
        for candidate in offered:
            _check_one_cutout(suite, copy, candidate, position)
    _check_unknown_address(suite, sky, candidates)
    by_source = _check_bulk_search(suite, sky, candidates)
    requests = [
        CutoutRequest(candidate, source) for source, offered in by_source for candidate in offered
    ]
    requests = [requests[index] for index in rng.permutation(len(requests))]
    _check_fetch(suite, requests)
    _check_bulk_cutouts(suite, requests)


def _check_search(suite: _Suite, copy: ImageService, position: Any) -> list[Candidate]:
    """Check the candidates at one position; return them sorted by field."""
    at = f"search at {_name(position)}"
    candidates = list(_call(at, suite.service.search, position, suite.size))
    for candidate in candidates:
        if not isinstance(candidate, Candidate) or not candidate.image:
            _fail(f"{at}: {candidate!r} is not a Candidate with the address of an image")
    fields = [candidate.field for candidate in candidates]
    _same(sorted(fields), suite.expected_fields(position), f"{at}: the fields")
    repeated = list(_call(at, copy.search, position, suite.size))
    _same(repeated, candidates, f"{at}: the answer of a pickled copy")
    for candidate in candidates:
        has_rms = suite.images[candidate.field].rms is not None
        _same(bool(candidate.rms), has_rms, f"{at}: having an rms map of {candidate.field}")
    return sorted(candidates, key=lambda candidate: candidate.field)


def _check_search_arguments(suite: _Suite, position: Any) -> None:
    """Check that a search does not depend on when, in which frame and in which unit it is made."""
    from astropy import units as u

    search = suite.service.search
    at = f"search at {_name(position)}"
    first = _call(at, search, position, suite.size)
    _same(list(_call(at, search, position, suite.size)), list(first), f"{at}: the second answer")
    fields = [candidate.field for candidate in first]
    for what, other, size in (
        ("in galactic coordinates", position.galactic, suite.size),
        ("with the size in degrees", position, suite.size.to(u.deg)),
    ):
        answer = [candidate.field for candidate in _call(f"{at} {what}", search, other, size)]
        _same(answer, fields, f"{at}: the fields {what}")


def _check_one_cutout(
    suite: _Suite, copy: ImageService, candidate: Candidate, position: Any
) -> None:
    """Check the cutout of one candidate, and that a pickled copy gives the same."""
    where = f"the cutout of {candidate.field} at {_name(position)}"
    outcome = _outcome(where, suite.service, candidate, position, suite.size)
    image = suite.images[candidate.field]
    covered = image.holds(position)
    if covered and not isinstance(outcome, Cutout):
        _fail(f"{where} raised {type(outcome).__name__}: {outcome}")
    if isinstance(outcome, Cutout):
        _check_arrays(outcome, image, where)
        if covered:
            check = _check_resampled if suite.resampled else _check_pixels
            check(suite, outcome, image, position, where)
        elif _covers(outcome, position):
            _fail(f"{where}: it has a pixel at the position, where the image has none")
    other = _outcome(where, copy, candidate, position, suite.size)
    _check_equal(other, outcome, f"{where}: that of a pickled copy")


def _check_arrays(cutout: Cutout, image: Image, where: str) -> None:
    """Check the shapes and types of a cutout's arrays, and what it says of them."""
    _same(cutout.rms is None, image.rms is None, f"{where}: having no rms map")
    for kind, pixels in (("image", cutout.image), ("rms map", cutout.rms)):
        if pixels is None:
            continue
        if pixels.ndim != 2 or pixels.dtype.kind != "f":
            _fail(f"{where}: its {kind} is {pixels.ndim}-d {pixels.dtype}, not 2-d floats")
        _same(pixels.shape, cutout.image.shape, f"{where}: the shape of its {kind}")
    if cutout.fully_observed and not (np.isfinite(cutout.image).all() and cutout.image.any()):
        _fail(f"{where}: it says that it is fully observed, but some pixels are NaN or all are 0")


def _check_pixels(suite: _Suite, cutout: Cutout, image: Image, position: Any, where: str) -> None:
    """Compare a cutout on the image's own grid with the image."""
    # A cutout may be a view of the whole image with its WCS, or a file of its own with another
    # reference pixel. In both cases the grids differ by whole pixels: the source itself gives the
    # shift, and the corners confirm that both WCS are the same elsewhere. Then the pixels can be
    # compared one by one.
    x, y = (float(v) for v in image.wcs.world_to_pixel(position))
    in_x, in_y = _pixel_of(cutout, position)
    shift_x, shift_y = round(x - in_x), round(y - in_y)  # of the grid of the cutout's own WCS
    if np.hypot(x - in_x - shift_x, y - in_y - shift_y) > _CLOSE:
        _fail(
            f"{where}: the source is at pixel ({in_x:.6f}, {in_y:.6f}) by its WCS,"
            f" at ({x:.6f}, {y:.6f}) of the image by astropy: not a whole number of pixels apart"
        )
    x0, y0 = cutout.origin[0] + shift_x, cutout.origin[1] + shift_y
    ny, nx = cutout.image.shape
    corners = np.array([x0, x0 + nx - 1]), np.array([y0, y0 + ny - 1])
    by_astropy = image.wcs.pixel_to_world(*corners).icrs
    sky = _coordinates(*cutout.wcs.to_sky(corners[0] - shift_x, corners[1] - shift_y))
    if np.isfinite(by_astropy.ra.deg).all():
        apart = np.abs(np.subtract(image.wcs.world_to_pixel(sky), corners)).max()
        if not apart <= _CLOSE:
            _fail(f"{where}: its corners are {apart:.6f} pixels off by its WCS")
    _match(cutout.image, image.pixels, x0, y0, where)
    if cutout.rms is not None and image.noise is not None:
        _match(cutout.rms, image.noise, x0, y0, f"{where}: its rms map")
    if not suite.whole:
        side = round(suite.size_arcsec / cutout.wcs.pixel_scale_arcsec)
        for axis, length, first, count, at in (
            ("column", image.pixels.shape[1], x0, nx, x),
            ("row", image.pixels.shape[0], y0, ny, y),
        ):
            _check_extent(f"{where}: {axis}s", side, length, first, count, round(at))


def _check_extent(where: str, side: int, length: int, first: int, count: int, at: int) -> None:
    """Check one axis of a cutout: the square around the source, within one pixel.

    Where the square leaves the image, the cutout may end at the edge, as archives cut.
    """
    low, high = max(at - side // 2, 0), min(at - side // 2 + side, length)
    if count > side + 1:
        _fail(f"{where} are {count}, but {side} were asked for")
    if first > low + 1 or first + count < high - 1:
        _fail(f"{where} {first} to {first + count - 1} do not reach from {low} to {high - 1}")


def _check_resampled(
    suite: _Suite, cutout: Cutout, image: Image, position: Any, where: str
) -> None:
    """Compare a cutout on a grid of its own with the image: place, size, and local brightness."""
    ny, nx = cutout.image.shape
    side = round(suite.size_arcsec / cutout.wcs.pixel_scale_arcsec)
    if max(abs(nx - side), abs(ny - side)) > 1:
        _fail(f"{where}: {nx} x {ny} pixels, but {side} x {side} were asked for")
    x, y = np.subtract(_pixel_of(cutout, position), cutout.origin)
    if max(abs(x - (nx - 1) / 2), abs(y - (ny - 1) / 2)) > 1:
        _fail(f"{where}: the source is at pixel ({x:.2f}, {y:.2f}), not in the middle")
    # Interpolation keeps a value between its neighbours, or overshoots them a little: each pixel
    # is compared with the smallest and largest of the 5 x 5 image pixels around its position.
    rows, columns = np.mgrid[:ny, :nx]
    sky = _coordinates(*cutout.wcs.to_sky(columns + cutout.origin[0], rows + cutout.origin[1]))
    near_x, near_y = (np.rint(v).astype(int) for v in image.wcs.world_to_pixel(sky))
    padded = np.pad(image.pixels.astype(float), 2, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    inside = (near_x >= 0) & (near_x < around.shape[1]) & (near_y >= 0) & (near_y < around.shape[0])
    if not np.isnan(cutout.image[~inside]).all():
        _fail(f"{where}: it has pixels past the edge of the image")
    local = around[near_y[inside], near_x[inside]].reshape(-1, 25)
    values = cutout.image[inside]
    known = np.isfinite(local).all(axis=1)
    low, high = local[known].min(axis=1), local[known].max(axis=1)
    slack = 0.5 * (high - low)
    good = (values[known] >= low - slack) & (values[known] <= high + slack)
    if not good.all():
        _fail(f"{where}: {int((~good).sum())} of {good.size} pixels are not those of the image")


def _check_unknown_address(
    suite: _Suite, sky: Any, candidates: Sequence[Sequence[Candidate]]
) -> None:
    """Check that an image that is not there is an error of the tree, and leaves the others."""
    covered = [
        (index, offered[0])
        for index, offered in enumerate(candidates)
        if offered and suite.images[offered[0].field].holds(sky[index])
    ]
    if not covered:
        _fail("no position is on an image: ask for more positions")
    index, good = covered[0]
    absent = Candidate("absent", good.image + ".absent", "", good.source)
    what = f"the cutout of {absent.image}, which is not there"
    if isinstance(_outcome(what, suite.service, absent, sky[index], suite.size), Cutout):
        _fail(f"{what}, came back without an error")
    source = _source(0, "absent", sky[index])
    requests = [
        CutoutRequest(good, source),
        CutoutRequest(absent, source),
        CutoutRequest(good, source),
    ]
    one, wrong, two = _bulk_outcomes(suite.service, requests, suite.size_arcsec)
    if isinstance(wrong, Cutout):
        _fail(f"{what}, came back without an error in bulk")
    for outcome in (one, two):
        if not isinstance(outcome, Cutout):
            _fail(f"{what}, in bulk: the cutouts beside it failed too: {outcome}")


def _check_bulk_search(
    suite: _Suite, sky: Any, candidates: Sequence[Sequence[Candidate]]
) -> list[tuple[Source, Sequence[Candidate]]]:
    """Check the search for many sources at once; return every source with its candidates."""
    names = [f"S{index}" for index in range(len(sky))]
    expected = [[candidate.field for candidate in offered] for offered in candidates]
    if suite.named_for:
        names[0] = suite.named_for
        expected = [sorted(suite.images), *([] for _ in names[1:])]
    catalogue = Catalogue.from_columns(names, sky.ra.deg, sky.dec.deg)
    answers = _call(
        "the search for many sources",
        lambda: list(search_all(suite.service, catalogue, suite.size_arcsec / 3600)),
    )
    _same(len(answers), len(names), "the number of answers to a search for many sources")
    by_source: list[tuple[Source, Sequence[Candidate]]] = []
    for row, answer in enumerate(answers):
        where = f"the search for many sources, at {_name(sky[row])}"
        if isinstance(answer, Exception):
            _fail(f"{where}: {type(answer).__name__}: {answer}")
        fields = [candidate.field for candidate in answer]
        _same(fields, expected[row], f"{where}: the fields, sorted")
        for candidate in answer:
            if isinstance(suite.service, BulkService):
                _same(candidate.source, names[row], f"{where}: the candidate's source")
        offered = candidates[row] if suite.named_for else answer
        by_source.append((catalogue.source(row), offered))
    return by_source


def _check_fetch(suite: _Suite, requests: Sequence[CutoutRequest]) -> None:
    """Check a service that downloads: what it fetched is what it gives without a fetch."""
    service = suite.service
    if not isinstance(service, FetchService):
        return
    progress: list[int] = []
    size_deg = suite.size_arcsec / 3600
    fetched = _call("fetch", service.fetch, requests, size_deg, progress.append)
    _same(progress[-1:], [len(requests)], "fetch: the last number of finished cutouts reported")
    _same(progress, sorted(progress), "fetch: the numbers of finished cutouts, in order")
    outcomes = _bulk_outcomes(fetched, requests, suite.size_arcsec)
    for request, outcome in zip(requests, outcomes, strict=True):
        where = f"the fetched cutout of {request.candidate.field} for {request.source.name}"
        position = _coordinates(request.source.ra, request.source.dec)
        alone = _outcome(where, service, request.candidate, position, suite.size)
        _check_equal(outcome, alone, where)
    had = [r for r, o in zip(requests, outcomes, strict=True) if isinstance(o, Cutout)]
    left = _call("estimate", service.estimate, had, size_deg).requests
    _same(left, 0, "estimate after fetch: the requests that are left")


def _check_bulk_cutouts(suite: _Suite, requests: Sequence[CutoutRequest]) -> None:
    """Check that many cutouts at once are those asked for one by one, in the same order."""
    _same(_bulk_outcomes(suite.service, [], suite.size_arcsec), [], "no cutouts in bulk")
    outcomes = _bulk_outcomes(suite.service, requests, suite.size_arcsec)
    for request, outcome in zip(requests, outcomes, strict=True):
        where = f"the cutout in bulk of {request.candidate.field} for {request.source.name}"
        position = _coordinates(request.source.ra, request.source.dec)
        alone = _outcome(where, suite.service, request.candidate, position, suite.size)
        _check_equal(outcome, alone, where)


def _bulk_outcomes(
    service: ImageService, requests: Sequence[CutoutRequest], size_arcsec: float
) -> list[_Outcome]:
    """Return the outcomes of many requests, each a cutout or an error of the tree."""
    size_deg = size_arcsec / 3600
    # The bulk method is called directly: `fetch_cutouts` would make good what it raises.
    if isinstance(service, BulkService):
        outcomes = _call("cutouts in bulk", lambda: list(service.cutouts(requests, size_deg)))
    else:
        outcomes = list(fetch_cutouts(service, requests, size_deg))
    _same(len(outcomes), len(requests), "the number of cutouts in bulk")
    for outcome in outcomes:
        if not isinstance(outcome, Cutout | ImageError | ServiceError):
            _fail(f"cutouts in bulk: {outcome!r} is no Cutout, ImageError or ServiceError")
    return outcomes


def _check_equal(outcome: _Outcome, expected: _Outcome, where: str) -> None:
    """Compare two outcomes for one request: the same pixels and place, or both an error."""
    if not (isinstance(outcome, Cutout) and isinstance(expected, Cutout)):
        _same(isinstance(outcome, Cutout), isinstance(expected, Cutout), f"{where}: being a cutout")
        return
    for kind in ("image", "rms"):
        one, two = getattr(outcome, kind), getattr(expected, kind)
        if (one is None) != (two is None):
            _fail(f"{where}: one has an {kind} and one has none")
        if one is not None and (
            one.dtype != two.dtype or not np.array_equal(one, two, equal_nan=True)
        ):
            _fail(f"{where}: its {kind} is not that of the cutout asked for alone")
    one_sky, two_sky = (one.wcs.to_sky(*one.origin) for one in (outcome, expected))
    if not np.array_equal(one_sky, two_sky, equal_nan=True):
        _fail(f"{where}: its place on the sky is not that of the cutout asked for alone")


def _match(got: npt.NDArray[Any], image: npt.NDArray[Any], x0: int, y0: int, where: str) -> None:
    """Compare a box of pixels with an image, NaN past the edge of the image."""
    ny, nx = got.shape
    # The pixels that the image does not have are NaN in the expected box; the rest is copied from
    # the image. NaN equals NaN here, since both mean that there is no measurement.
    rows, columns = np.arange(y0, y0 + ny), np.arange(x0, x0 + nx)
    inside = np.ix_(
        (rows >= 0) & (rows < image.shape[0]), (columns >= 0) & (columns < image.shape[1])
    )
    expected = np.full((ny, nx), np.nan, image.dtype)
    expected[inside] = image[np.ix_(rows[inside[0].ravel()], columns[inside[1].ravel()])]
    differ = ~((got == expected) | (np.isnan(got) & np.isnan(expected)))
    if differ.any():
        y, x = np.argwhere(differ)[0]
        _fail(
            f"{where}: {int(differ.sum())} of {got.size} pixels are not the image's, the first at"
            f" x={x}, y={y}: {got[y, x]:g} instead of {expected[y, x]:g}"
        )


def _covers(cutout: Cutout, position: Any) -> bool:
    """Tell whether a cutout has a finite pixel at a position."""
    x, y = np.subtract(_pixel_of(cutout, position), cutout.origin)
    ny, nx = cutout.image.shape
    if not (-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5):  # False for NaN
        return False
    return bool(np.isfinite(cutout.image[round(y), round(x)]))


def _pixel_of(cutout: Cutout, position: Any) -> tuple[float, float]:
    """Return x and y of a position by the cutout's own WCS."""
    x, y = cutout.wcs.to_pixel(position.icrs.ra.deg, position.icrs.dec.deg)
    return float(x), float(y)


def _outcome(
    what: str, service: ImageService, candidate: Candidate, position: Any, size: Any
) -> _Outcome:
    """Return a cutout, or the error of the tree that was raised."""
    try:
        return _call(what, service.cutout, candidate, position, size, allow_errors=True)
    except (ImageError, ServiceError) as error:
        return error


def _call(
    what: str, function: Callable[..., _Result], *arguments: Any, allow_errors: bool = False
) -> _Result:
    """Call the service; an exception that it should not raise becomes one line."""
    try:
        return function(*arguments)
    except Exception as error:
        if allow_errors and isinstance(error, ImageError | ServiceError):
            raise
        known = isinstance(error, ImageError | ServiceError)
        remark = "" if known else ", which is no ServiceError or ImageError"
        message = f"{what} raised {type(error).__name__} ({error}){remark}"
        raise AssertionError(" ".join(message.split())) from error


def _pickled_copy(service: ImageService) -> ImageService:
    """Return a copy as a worker gets it."""
    try:
        copy: ImageService = pickle.loads(pickle.dumps(service))  # noqa: S301 - our own bytes
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        line = " ".join(str(error).split())
        raise AssertionError(f"the service cannot be pickled for a worker: {line}") from error
    return copy


def _random_positions(images: Sequence[Image], rng: np.random.Generator, count: int) -> Any:
    """Return random positions on, at the edge of and beside the images, and far from them all."""
    # A third of the positions is drawn over an area that reaches 40 % beyond the image on every
    # side, the others over the image and 2 % around it, where rounding at the edge shows. Every
    # tenth position is anywhere on the sky, where a search usually gives nothing.
    ra, dec = [], []
    for index in range(count):
        image = images[index % len(images)]
        ny, nx = image.pixels.shape
        reach = 0.4 if index % 3 == 0 else 0.0
        x, y = rng.uniform(-reach - 0.02, 1.02 + reach, 2) * (nx, ny)
        position = image.wcs.pixel_to_world(x, y).icrs
        if index % 10 == 9:
            position = _coordinates(rng.uniform(0, 360), rng.uniform(-80, 80))
        ra.append(position.ra.deg)
        dec.append(position.dec.deg)
    return _coordinates(np.array(ra), np.array(dec))


def _read_with_astropy(path: Path) -> tuple[npt.NDArray[Any], Any]:
    from astropy.io import fits
    from astropy.wcs import WCS

    with warnings.catch_warnings(), fits.open(path) as hdus:
        warnings.simplefilter("ignore")
        for hdu in hdus:
            if hdu.is_image and hdu.header["NAXIS"] >= 2:
                return np.squeeze(np.array(hdu.data)), WCS(hdu.header).celestial
    raise ImageError(f"read {path}: no image in it", path=str(path))


def _coordinates(ra: Any, dec: Any) -> Any:
    from astropy.coordinates import SkyCoord

    return SkyCoord(ra, dec, unit="deg")


def _source(row: int, name: str, position: Any) -> Source:
    return Source(row, name, float(position.ra.deg), float(position.dec.deg))


def _name(position: Any) -> str:
    return f"({position.ra.deg:.6f}, {position.dec.deg:.6f})"


def _same(got: Any, expected: Any, what: str) -> None:
    if got != expected:
        _fail(f"{what}: the service gives {got!r}, expected {expected!r}")


def _fail(message: str) -> NoReturn:
    raise AssertionError(" ".join(message.split()))
