"""Estimate the noise of an image that has no rms map.

>>> import numpy as np
>>> image = np.random.default_rng(1).normal(0, 2e-4, (240, 240)).astype(np.float32)
>>> bool(abs(sigma_clipped_noise(image) / 2e-4 - 1) < 0.04)
True
"""

from __future__ import annotations

import numpy as np

from mingolotss.errors import ImageError, RecipeError
from mingolotss.foreign import mute_warnings, translate_errors
from mingolotss.model import FloatImage

__all__ = ["background2d_noise", "sigma_clipped_noise"]


def sigma_clipped_noise(
    image: FloatImage, *, sigma: float = 3.0, iterations: int = 5
) -> FloatImage:
    """Return the standard deviation of an image without its bright pixels.

    Parameters
    ----------
    image : float array, shape (ny, nx), Jy/beam
        NaN is ignored.
    sigma, iterations : float, int
        Pixels farther than `sigma` standard deviations from the median are removed, up to
        `iterations` times.

    Returns
    -------
    float array, shape (1, 1), Jy/beam
        In the type of the image, in which the two are compared; NaN if no pixel is finite.

    Raises
    ------
    ImageError
        astropy cannot estimate the noise of this image.
    """
    from astropy.stats import sigma_clipped_stats  # 0.15 s, and few recipes need it

    with translate_errors("estimate the noise by sigma clipping"), mute_warnings():
        _, _, std = sigma_clipped_stats(image, sigma=sigma, maxiters=iterations)
    return np.asarray(std, image.dtype.newbyteorder("=")).reshape(1, 1)


def background2d_noise(image: FloatImage, *, box: int = 48, sigma: float = 3.0) -> FloatImage:
    """Return a map of the local noise, estimated by `photutils.background.Background2D`.

    Parameters
    ----------
    image : float array, shape (ny, nx), Jy/beam
    box : int
        Side of the boxes in which the noise is estimated, pixels.
    sigma : float
        Pixels farther than this many standard deviations from the median are removed.

    Returns
    -------
    float array, shape (ny, nx), Jy/beam

    Raises
    ------
    RecipeError
        photutils is not installed.
    ImageError
        No pixel is finite, or photutils cannot estimate the noise of this image.
    """
    try:
        from photutils.background import Background2D
    except ImportError as error:
        raise RecipeError(
            "noise = 'background2d' needs photutils: pip install 'mingolotss[photutils]'"
        ) from error
    from astropy.stats import SigmaClip

    mask = ~np.isfinite(image)
    if mask.all():
        raise ImageError("estimate the noise with photutils: no pixel of the cutout is finite")
    clip = SigmaClip(sigma=sigma)
    side = min(box, *image.shape)
    # A copy, since photutils 2.0.0 changes the pixels of an image that is as small as its box.
    with translate_errors("estimate the noise with photutils"), mute_warnings():
        background = Background2D(
            image.copy(), (side, side), mask=mask, sigma_clip=clip, exclude_percentile=90
        )
        rms = background.background_rms
    noise: FloatImage = np.asarray(rms, image.dtype.newbyteorder("="))
    return noise
