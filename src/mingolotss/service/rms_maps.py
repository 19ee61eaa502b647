"""The rms map of an image must have the same pixels as the image."""

from __future__ import annotations

from mingolotss.errors import ImageError, NoWCSError
from mingolotss.io.fits import FitsImage
from mingolotss.model import Sky
from mingolotss.sky.alignment import displacement, has_same_wcs

__all__ = ["require_same_grid", "require_same_pixels"]

_TOLERANCE = 1.0  # px; archives may round the positions in the headers of cutouts differently


def require_same_grid(
    rms: str, rms_shape: tuple[int, int], rms_wcs: Sky | None, shape: tuple[int, int], wcs: Sky
) -> None:
    """Raise ImageError unless an rms map has the shape of its image and shows the same sky.

    Parameters
    ----------
    rms : str
        Path or address of the rms map, for the message.
    rms_shape, shape : (int, int)
        Rows and columns of the rms map and of the image.
    rms_wcs : Sky or None
        None if the rms map has no WCS, or that of the image.
    wcs : Sky
        The WCS of the image.
    """
    if rms_shape != shape:
        raise ImageError(
            f"read {rms}: the rms map is {rms_shape[1]} x {rms_shape[0]} pixels, its image "
            f"{shape[1]} x {shape[0]}; fetch both again",
            path=rms,
        )
    distance = 0.0 if rms_wcs is None else displacement(wcs, rms_wcs, shape)
    if distance > _TOLERANCE:
        raise ImageError(
            f"read {rms}: the rms map is {distance:.3g} pixels away from its image on the sky; it "
            "may be that of another field; fetch both again",
            path=rms,
        )


def require_same_pixels(image: FitsImage, wcs: Sky, rms_map: FitsImage) -> None:
    """Do the same as `require_same_grid` for files that were read as a whole."""
    rms_wcs = None
    if not has_same_wcs(image.header, rms_map.header):
        try:
            rms_wcs = rms_map.wcs()
        except NoWCSError:
            rms_wcs = None  # some programs write the noise without one
    (rms_ny, rms_nx), (ny, nx) = rms_map.data.shape, image.data.shape
    require_same_grid(rms_map.path, (rms_ny, rms_nx), rms_wcs, (ny, nx), wcs)
