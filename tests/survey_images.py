"""Three small images with rms maps, laid out as each local service expects its files."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import fsspec
import numpy as np
from astropy.io import fits

from mingolotss.model import Candidate
from mingolotss.service import SERVICES
from mingolotss.service.local.folder import read_cutout
from mingolotss.sky.wcs import SkyWCS, simple_header
from mingolotss.testing import Image

SOURCE = "ILTJ"  # the files of a folder are named for it
SHAPES = {"P1": (90, 120), "P205+55": (130, 80), "P3": (100, 100)}
CENTRES = {"P1": (205.0, 55.0), "P205+55": (205.03, 55.01), "P3": (0.001, -30.0)}


def write_images(folder: Path, dtype: str = "f4") -> list[Image]:
    """Write three images with rms maps, two of which overlap and one of which is at RA 0."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for field, shape in SHAPES.items():
        cards = simple_header(*CENTRES[field], shape=shape, scale_arcsec=1.5)
        header = fits.Header.fromstring(cards.decode())
        data = rng.normal(0, 1e-4, shape).astype(dtype)
        data[:10, :10] = np.nan
        paths = [folder / f"{field}-image.fits", folder / f"{field}-rms.fits"]
        for path, pixels in zip(paths, (data, np.abs(data) + 1e-5), strict=True):
            fits.PrimaryHDU(pixels.astype(dtype), header).writeto(path)
        images.append(Image(field, *paths))
    return images


class OwnService:
    """The smallest possible service: search and cutout, by astropy alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.headers = {path: fits.getheader(path) for path in sorted(folder.glob("*-image.fits"))}

    @classmethod
    def open(cls, argument, **_):
        """Open ``test-own:DIR``."""
        return cls(Path(argument))

    def search(self, position, size):
        """Look into every header."""
        candidates = []
        for path, header in self.headers.items():
            x, y = SkyWCS.from_header(header.tostring().encode()).to_pixel(
                position.icrs.ra.deg, position.icrs.dec.deg
            )
            if -0.5 <= x < header["NAXIS1"] - 0.5 and -0.5 <= y < header["NAXIS2"] - 0.5:
                field = path.name.removesuffix("-image.fits")
                candidates.append(Candidate(field, str(path), str(path).replace("-image", "-rms")))
        return candidates[::-1]

    def cutout(self, candidate, position, size):
        """Give the whole image."""
        return read_cutout(candidate)


def as_folder(folder: Path, images: Sequence[Image]) -> str:
    """Lay images out for the service `folder`."""
    for image in images:
        for path, end in ((image.path, "mosaic"), (image.rms, "mosaic-rms")):
            shutil.copy(path, folder / f"{SOURCE}_{image.field.replace('+', '_')}-{end}.fits")
    return f"folder:{folder}"


def as_mosaics(folder: Path, images: Sequence[Image]) -> str:
    """Lay images out as FIELD-mosaic.fits."""
    for image in images:
        shutil.copy(image.path, folder / f"{image.field}-mosaic.fits")
        shutil.copy(image.rms, folder / f"{image.field}-mosaic-rms.fits")
    return f"mosaics:{folder}"


def as_dr1_mosaics(folder: Path, images: Sequence[Image]) -> str:
    """Lay images out for the service `lotss-dr1-mosaics`."""
    return as_mosaics(folder, images).replace("mosaics:", "lotss-dr1-mosaics:", 1)


def as_dr2(folder: Path, images: Sequence[Image]) -> str:
    """Lay images out as the release of LoTSS DR2 does, a folder for each field."""
    for image in images:
        (folder / image.field).mkdir()
        shutil.copy(image.path, folder / image.field / "mosaic-blanked.fits")
        shutil.copy(image.rms, folder / image.field / "mosaic.rms.fits")
    return f"mosaics:{folder}"


def as_packed(folder: Path, images: Sequence[Image]) -> str:
    """Write images compressed in tiles, without loss."""
    for image in images:
        for path, end in ((image.path, "mosaic"), (image.rms, "mosaic-rms")):
            with fits.open(path) as hdus:
                packed = fits.CompImageHDU(
                    hdus[0].data, hdus[0].header, compression_type="GZIP_1", quantize_level=0,
                    tile_shape=(32, 32),
                )  # fmt: skip
                packed.writeto(folder / f"{image.field}-{end}.fits.fz")
    return f"mosaics:{folder}"


def as_memory(folder: Path, images: Sequence[Image]) -> str:
    """Put images at an fsspec address."""
    root = f"memory://{uuid.uuid4().hex}"
    system = fsspec.filesystem("memory")
    for image in images:
        for path, end in ((image.path, "mosaic"), (image.rms, "mosaic-rms")):
            system.pipe(f"{root}/{image.field}-{end}.fits", path.read_bytes())
    return f"mosaics:{root}"


def as_simulated(folder: Path, images: Sequence[Image]) -> str:
    """Lay images out for the service `simulated`."""
    return as_mosaics(folder, images).replace("mosaics:", "simulated:", 1)


def as_own(folder: Path, images: Sequence[Image]) -> str:
    """Register a service of a user's own."""
    SERVICES.add("test-own", OwnService, "a user's own")
    return f"test-own:{images[0].path.parent}"


LAYOUTS: dict[str, Callable[[Path, Sequence[Image]], str]] = {
    "folder": as_folder, "mosaics": as_mosaics, "DR2's layout": as_dr2, "fpack'd": as_packed,
    "fsspec": as_memory, "simulated": as_simulated, "lotss-dr1-mosaics": as_dr1_mosaics,
    "a user's own": as_own,
}  # fmt: skip
