"""Convolve cutouts to the common beam of a recipe.

Each image is convolved from the beam of its own header, or the one that its service states, on its
own pixels. An image that has the common beam already keeps every bit. Images whose beam is unknown
or larger are refused (`beam_problem`) before the choice among the images of a source.

An rms map becomes that of the convolved image, for the autocorrelation that the noise of the image
has (`mingolotss.image.noise_correlation`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mingolotss.candidates.cutouts import CutoutArray
from mingolotss.errors import ImageError
from mingolotss.image.beams import convolve_images, gaussian_kernel, noise_kernel
from mingolotss.image.noise_correlation import correlation_scale
from mingolotss.io.optional import import_optional
from mingolotss.model import Bools, Cutout, FloatImage, Floats, Ints, Objects, Sky
from mingolotss.sky.beams import FWHM, Beam, beam_of_covariance, pixel_covariances
from mingolotss.sky.header_facts import HeaderFacts, header_facts, jy_per_beam

__all__ = [
    "TOLERANCE",
    "ConvolvedCutouts",
    "beam_of",
    "beam_problem",
    "convolve_cutouts",
    "convolved_noise_methods",
    "facts_problem",
    "noise_covariance",
    "require_libraries",
    "resampled_beam_problem",
    "with_common_beam",
]

TOLERANCE = 1e-3
"""Beams of which no axis differs by more than this, relatively, are the same."""
_PIXELS_PER_STACK = 8 * 256 * 256  # 4 MB of float64 stay in the cache
_SMALLEST = 1e-6  # arcsec, of an axis of a beam
_WIDEST = 200  # px, FWHM of a kernel, whose array then has 700 x 700 pixels
_BITS = 11  # of the largest element of a covariance: widths are exact to 0.02 %
_Rounded = tuple[int, int, int, int]
"""Three elements of a covariance in units of a power of 2, and the exponent of that power."""
_MANY_BEAMS = re.compile(r"^CASAMBM *= *T\b", re.MULTILINE)
_UNKNOWN = (
    "the image has no beam, no BMAJ and BMIN, in its header, and its service states none; the "
    "recipe needs it to convolve to {} (beam.common)"
)
_BY_BEAM = "rms-map, propagated to the common beam"
_ESTIMATED = "of the convolved pixels"


class ConvolvedCutouts(NamedTuple):
    """Cutouts of which some were convolved.

    Attributes
    ----------
    cutouts : CutoutArray
        Of the same requests; the convolved ones are planes of their own.
    convolved : int64 array, shape (k,)
        Which of the cutouts were convolved. The others that were asked for have the beam already.
    has_gaps : bool array, shape (k,)
        A pixel that is needed is NaN.
    """

    cutouts: CutoutArray
    convolved: Ints
    has_gaps: Bools


class _Change(NamedTuple):
    """What turns an image into one with the common beam.

    Attributes
    ----------
    beam : Beam
        That of the image.
    kernel : float64 array, shape (2, 2), arcsec^2
        Covariance of the kernel, east and north.
    factor : float
        By which the brightness is multiplied in the unit of the image.
    """

    beam: Beam
    kernel: Floats
    factor: float


class _Window(NamedTuple):
    """Some pixels of a cutout."""

    y0: int
    x0: int
    ny: int
    nx: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Return the rows and the columns."""
        return slice(self.y0, self.y0 + self.ny), slice(self.x0, self.x0 + self.nx)


class _Group(NamedTuple):
    """Windows that can be convolved together: of one size and with the same kernels."""

    ny: int
    nx: int
    kernel: _Rounded
    correlation: _Rounded
    factor: float


def require_libraries() -> None:
    """Raise MissingLibraryError if a library that convolution needs is not installed."""
    for name in ("radio_beam", "scipy.fft"):
        import_optional(name, "convolve images to a common beam", extra="beams")


def beam_of(facts: HeaderFacts) -> Beam | None:
    """Return the beam that a header or a service states, None if it is unknown."""
    major, minor, pa = facts.beam_major_arcsec, facts.beam_minor_arcsec, facts.beam_pa_deg
    if not (min(major, minor) > _SMALLEST and math.isfinite(max(major, minor))):
        return None
    pa = pa if np.isfinite(pa) else 0.0
    return Beam(major, minor, pa) if major >= minor else Beam(minor, major, pa + 90)


def facts_problem(facts: HeaderFacts, common: Beam) -> str:
    """Return why an image with these facts cannot be convolved to a beam, "" if it can."""
    beam = beam_of(facts)
    if beam is None:
        return _UNKNOWN.format(common)
    try:
        _change(beam, facts.unit, common)
    except ImageError as error:
        return str(error)
    return ""


def beam_problem(wcs: Sky, common: Beam) -> str:
    """Return why an image cannot be convolved to a beam, "" if it can."""
    try:
        _change_of(wcs, common)
    except ImageError as error:
        return str(error)
    return ""


def resampled_beam_problem(facts: HeaderFacts, common: Beam, added: Floats) -> str:
    """Return why the beam of a resampled stamp cannot be the common one, "" if it can.

    Parameters
    ----------
    facts : HeaderFacts
        Of an image without `facts_problem`.
    common : Beam
    added : float64 array, shape (2, 2), arcsec^2
        The covariance, for the axes east and north, that resampling adds to that of the beam.
    """
    beam = beam_of(facts)
    if beam is None or _kernel_after(common, beam, added) is not None:
        return ""
    return (
        f"the beam of the image, {beam}, becomes {beam_of_covariance(beam.covariance + added)} by "
        f"resampling, which is larger than the {common} of beam.common; give a larger beam, "
        '"largest", or smaller pixels'
    )


def _kernel_after(common: Beam, beam: Beam, added: Floats) -> Floats | None:
    """Return the covariance of the kernel if resampling adds to the beam too, None without one."""
    values, axes = np.linalg.eigh(common.covariance - beam.covariance - added)
    least = 2 * TOLERANCE * (common.minor_arcsec / FWHM) ** 2
    if values[0] < -least:
        return None
    kernel: Floats = axes * np.maximum(values, 0.0) @ axes.T
    return kernel


def _change_of(wcs: Sky, common: Beam) -> _Change | None:
    """Return what turns an image into one with the common beam, None if it has that already.

    Raises
    ------
    ImageError
        Its beam is unknown or larger, its unit is of an unknown kind, or the kernel has very many
        pixels.
    """
    facts = header_facts(wcs)
    beam = beam_of(facts)
    if beam is None:
        if _MANY_BEAMS.search(wcs.header):
            raise ImageError(
                "the image has a beam for each of its planes, in a table (CASAMBM), and the recipe "
                f"needs one to convolve to {common} (beam.common)"
            )
        raise ImageError(_UNKNOWN.format(common))
    change = _change(beam, facts.unit, common)
    if change is not None:
        width = FWHM * math.sqrt(np.linalg.eigvalsh(change.kernel)[1]) / wcs.pixel_scale_arcsec
        if width > _WIDEST:
            raise ImageError(
                f"the kernel from the beam of the image, {beam}, to {common} (beam.common) has a "
                f"width of {width:.0f} of the image's pixels, and {_WIDEST} are allowed; give a "
                "smaller beam"
            )
    return change


@lru_cache(maxsize=4096)
def _change(beam: Beam, unit: str | None, common: Beam) -> _Change | None:
    """Do what `_change_of` does for an image with a beam."""
    if _is_same(beam, common):
        return None
    kernel = _deconvolve(common, beam)
    if kernel is None:
        raise ImageError(
            f"the beam of the image, {beam}, is larger than the {common} of beam.common, and an "
            'image can only be convolved to a larger one; give a larger beam, or "largest"'
        )
    factor = _brightness_factor(unit, common.area / beam.area)
    return _Change(beam, kernel.covariance, factor)


def _is_same(beam: Beam, other: Beam) -> bool:
    difference = np.abs(np.linalg.eigvalsh(beam.covariance - other.covariance)).max()
    return bool(difference <= 2 * TOLERANCE * np.linalg.eigvalsh(other.covariance)[0])


def _deconvolve(common: Beam, beam: Beam) -> Beam | None:
    """Return the beam that is convolved with `beam` to give `common`, None if there is none."""
    require_libraries()
    from radio_beam import Beam as RadioBeam
    from radio_beam.utils import BeamError

    # A beam that is as long as the common one in one direction has a kernel without width there,
    # which rounding can make imaginary.
    for excess in (1.0, 1 + TOLERANCE):
        axes = common.major_arcsec * excess, common.minor_arcsec * excess
        large, small = (
            RadioBeam(major=major / 3600, minor=minor / 3600, pa=pa)
            for major, minor, pa in ((*axes, common.pa_deg), beam)
        )
        try:
            kernel = large.deconvolve(small)
        except (BeamError, ValueError):  # ValueError: the root of a rounded zero
            continue
        values = (kernel.major.value, kernel.minor.value)
        return Beam(values[0] * 3600, values[1] * 3600, kernel.pa.to_value("deg"))
    return None


def _brightness_factor(unit: str | None, ratio: float) -> float:
    """Return what a convolution multiplies the pixels by, besides taking their weighted mean.

    Parameters
    ----------
    unit : str or None
    ratio : float
        The area of the beam after the convolution relative to that before.

    Raises
    ------
    ImageError
        Whether the unit is one of surface brightness is not known.
    """
    if np.isfinite(jy_per_beam(unit)):
        return ratio
    from astropy import units as u

    with suppress(TypeError, ValueError):
        parsed = u.Unit(unit).decompose()
        powers = dict(zip(parsed.bases, parsed.powers, strict=True))
        areas = tuple(powers.get(one, 0) for one in (u.beam, u.pix, u.rad))
        if areas == (-1, 0, 0):
            return ratio
        if areas in ((0, -1, 0), (0, 0, -2)) or parsed.is_equivalent(u.K):
            return 1.0
    raise ImageError(
        f"the unit of the image, {unit!r}, is neither one per beam nor one of surface brightness, "
        "so that it is not known what a convolution to beam.common makes of it"
    )


def noise_covariance(plane: Cutout, beam: Beam) -> Floats:
    """Return the covariance of the autocorrelation of the noise of an image, arcsec^2.

    Parameters
    ----------
    plane : Cutout
        The whole image, of which the correlation is measured.
    beam : Beam
        That of the image: its own, or the common one that it was convolved to.

    Returns
    -------
    float64 array, shape (2, 2)
        For the axes east and north.
    """
    ny, nx = plane.image.shape
    x, y = plane.origin[0] + nx / 2, plane.origin[1] + ny / 2
    on_pixels = pixel_covariances(beam.covariance, plane.wcs, [x], [y])[0]
    covariance: Floats = correlation_scale(plane.image, on_pixels) * beam.covariance
    return covariance


def convolved_noise_methods(
    cutouts: CutoutArray, indices: Ints, methods: Objects, common: Beam
) -> Objects:
    """Return in words how the noise of some cutouts came about, after the convolution.

    Parameters
    ----------
    cutouts : CutoutArray
    indices : int64 array, shape (n,)
        Which of them.
    methods : object array of str, shape (n,)
        How the noise came about, as of cutouts that are not convolved.
    common : Beam
    """
    described, planes = methods.copy(), cutouts.plane_index[indices]
    for number in np.unique(planes).tolist():
        if _change_of(cutouts.planes[number].wcs, common) is not None:
            for row in np.flatnonzero(planes == number).tolist():
                method = methods[row]
                described[row] = _BY_BEAM if method == "rms-map" else f"{method} {_ESTIMATED}"
    return described


def with_common_beam(cutout: Cutout, common: Beam, window: Ints | None = None) -> Cutout:
    """Return one cutout with a common beam.

    Parameters
    ----------
    cutout : Cutout
    common : Beam
    window : int64 array, shape (4,), px, optional
        As for `convolve_cutouts`.

    Raises
    ------
    ImageError
        Its beam is unknown or larger, its unit is of an unknown kind, or the rms map is of another
        size.
    """
    _change_of(cutout.wcs, common)
    cutouts = CutoutArray.from_outcomes([cutout])
    if cutouts.errors:
        raise cutouts.errors[0]
    windows = None if window is None else window[None]
    return convolve_cutouts(cutouts, np.array([0]), common, windows).cutouts.cutout(0)


def convolve_cutouts(
    cutouts: CutoutArray,
    indices: Ints,
    common: Beam,
    windows: Ints | None = None,
    added: Floats | None = None,
) -> ConvolvedCutouts:
    """Convolve some cutouts to a common beam.

    The pixels around a cutout are used as far as its plane has them. Pixels that are nearer to the
    edge of the plane than the kernel reaches are NaN.

    Parameters
    ----------
    cutouts : CutoutArray
    indices : int64 array, shape (n,)
        Which of them. They have pixels, and no `beam_problem`.
    common : Beam
    windows : int64 array, shape (n, 4), px, optional
        The first row, the first column, the rows and the columns of each cutout that are needed,
        by default all. The other pixels become NaN.
    added : float64 array, shape (n, 2, 2), arcsec^2, optional
        What resampling will add to the covariance of each beam, so that the common beam is that of
        the resampled stamps. None of them has a `resampled_beam_problem`.
    """
    # Strategy: cutouts of one size that need the same kernels are convolved together, a few at a
    # time. The orientation of the pixels changes slowly over a mosaic and the kernel with it, so
    # covariances are rounded; most cutouts then share their kernels.
    cutouts = cutouts.without_parts()
    if windows is None:
        corner = np.zeros(len(indices), np.int64)
        windows = np.stack([corner, corner, cutouts.ny[indices], cutouts.nx[indices]], axis=1)
    needed = {
        index: _Window(*window)
        for index, window in zip(indices.tolist(), windows.tolist(), strict=True)
    }
    groups: dict[_Group, list[int]] = {}
    for number in np.unique(cutouts.plane_index[indices]).tolist():
        plane, of_plane = cutouts.planes[number], cutouts.plane_index[indices] == number
        members = indices[of_plane]
        change = _change_of(plane.wcs, common)
        if change is None:
            continue
        x = plane.origin[0] + cutouts.x0[members] + cutouts.nx[members] / 2
        y = plane.origin[1] + cutouts.y0[members] + cutouts.ny[members] / 2
        kernel = (
            change.kernel if added is None else _kernels_after(common, change.beam, added[of_plane])
        )
        kernels = pixel_covariances(kernel, plane.wcs, x, y)
        covariance = change.beam.covariance
        if plane.rms is not None:
            covariance = noise_covariance(plane, change.beam)
        correlations = pixel_covariances(covariance, plane.wcs, x, y)
        for index, kernel, correlation in zip(members.tolist(), kernels, correlations, strict=True):
            window = needed[index]
            group = _Group(
                window.ny, window.nx, _rounded(kernel), _rounded(correlation), change.factor
            )
            groups.setdefault(group, []).append(index)
    convolved: dict[int, Cutout] = {}
    for group, of_group in groups.items():
        kernel_pair = _kernels(group.kernel, group.correlation)
        ky, kx = kernel_pair[0].shape
        count = max(1, _PIXELS_PER_STACK // ((group.ny + ky - 1) * (group.nx + kx - 1)))
        for start in range(0, len(of_group), count):
            stack = {index: needed[index] for index in of_group[start : start + count]}
            convolved |= _convolve_stack(cutouts, stack, kernel_pair, group.factor)
    order = np.array(sorted(convolved), np.int64)
    has_gaps = [
        not np.isfinite(convolved[index].image[needed[index].slices]).all()
        for index in order.tolist()
    ]
    return ConvolvedCutouts(cutouts.replaced(convolved), order, np.array(has_gaps, bool))


def _kernels_after(common: Beam, beam: Beam, added: Floats) -> Floats:
    """Return `_kernel_after` of several stamps."""
    kernels = [_kernel_after(common, beam, one) for one in added]
    return np.array([np.zeros((2, 2)) if kernel is None else kernel for kernel in kernels])


def _rounded(covariance: Floats) -> _Rounded:
    (a, b), (_, d) = covariance.tolist()
    exponent = int(np.frexp(max(a, d))[1]) - _BITS
    a, b, d = (round(value / 2.0**exponent) for value in (a, b, d))
    return a, b, d, exponent


@lru_cache(maxsize=64)
def _kernels(kernel: _Rounded, correlation: _Rounded) -> tuple[Floats, Floats]:
    """Return the kernels of images and of their variances."""
    covariances = [
        np.array([[a, b], [b, d]]) * 2.0**exponent for a, b, d, exponent in (kernel, correlation)
    ]
    pixels = gaussian_kernel(covariances[0])
    return pixels, noise_kernel(pixels, covariances[1])


def _convolve_stack(
    cutouts: CutoutArray,
    windows: Mapping[int, _Window],
    kernels: tuple[Floats, Floats],
    factor: float,
) -> dict[int, Cutout]:
    """Return the cutouts with some windows of one size, convolved there, by their index."""
    planes = {index: cutouts.planes[int(cutouts.plane_index[index])] for index in windows}
    rms = {index: plane.rms for index, plane in planes.items() if plane.rms is not None}
    images = {index: plane.image for index, plane in planes.items()}
    pixels = _convolve_windows(cutouts, windows, images, kernels[0], 1)
    variances = _convolve_windows(cutouts, windows, rms, kernels[1], 2)
    convolved = {}
    for index, window in windows.items():
        old, noise = cutouts.cutout(index), None
        if old.rms is not None:
            scatter = factor * np.sqrt(np.maximum(variances[index], 0))
            noise = _within(window, scatter, old.rms)
        image = _within(window, factor * pixels[index], old.image)
        convolved[index] = replace(old, image=image, rms=noise, fully_observed=False)
    return convolved


def _convolve_windows(
    cutouts: CutoutArray,
    windows: Mapping[int, _Window],
    planes: Mapping[int, FloatImage],
    kernel: Floats,
    power: int,
) -> dict[int, Floats]:
    """Return the convolved pixels of some windows of one size.

    Parameters
    ----------
    cutouts : CutoutArray
    windows : mapping of int to _Window
        By the index of the cutout.
    planes : mapping of int to float array
        The image or rms map of each cutout, whole, by the index of the cutout.
    kernel : float64 array
    power : int
        That of the pixels is convolved.
    """
    if not planes:
        return {}
    my, mx = kernel.shape[0] // 2, kernel.shape[1] // 2
    _, _, ny, nx = windows[next(iter(planes))]
    widened = np.full((len(planes), ny + 2 * my, nx + 2 * mx), np.nan)
    inside = []
    for window, (index, plane) in zip(widened, planes.items(), strict=True):
        y0 = int(cutouts.y0[index]) + windows[index].y0
        x0 = int(cutouts.x0[index]) + windows[index].x0
        rows, columns = (
            slice(max(0, start - margin), start + size + margin)
            for start, size, margin in ((y0, ny, my), (x0, nx, mx))
        )
        part = plane[rows, columns]
        top, left = rows.start - (y0 - my), columns.start - (x0 - mx)
        window[top : top + part.shape[0], left : left + part.shape[1]] = part
        # The pixels for which the kernel lies on the plane: from `top` on, and as many as there
        # are places for the kernel.
        inside.append(
            (slice(top, top + part.shape[0] - 2 * my), slice(left, left + part.shape[1] - 2 * mx))
        )
    with np.errstate(over="ignore"):  # infinity is no known pixel
        widened **= power
    convolved = convolve_images(widened, kernel)
    results = {}
    for index, pixels, (rows, columns) in zip(planes, convolved, inside, strict=True):
        result = np.full((ny, nx), np.nan)
        if rows.stop > rows.start and columns.stop > columns.start:
            result[rows, columns] = pixels[rows, columns]
        results[index] = result
    return results


def _within(window: _Window, pixels: Floats, like: FloatImage) -> FloatImage:
    """Return an image of the shape and the type of another one: NaN outside of a window."""
    image: FloatImage = np.full(like.shape, np.nan, like.dtype.newbyteorder("="))
    with np.errstate(over="ignore"):  # to infinity, which is no data
        image[window.slices] = pixels
    return image
