"""The bound to approach: a compiled kernel and zlib-ng, two threads, nothing recorded.

``compiled_floor.py MOSAICS CATALOGUE OUT``: for every source of every mosaic the same pixels as
ours, as PNG in Parquet, one part a mosaic. It knows that there is one candidate, asks nothing of
the images, keeps no manifest and checks nothing. Needs a C compiler, whose time is not counted.
Prints one JSON line.
"""

import ctypes
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.wcs import WCS
from zlib_ng import zlib_ng

SIDE, CUTOUT, SIGMA, CHUNK = 150, 240, 3.0, 256


def compiled(folder: Path) -> ctypes.CDLL:
    """Compile the kernel for this machine."""
    library = folder / "stamps.so"
    source = Path(__file__).with_name("stamps.c")
    flags = ["-O3", "-march=native", "-shared", "-fPIC"]
    subprocess.run([os.environ.get("CC", "cc"), *flags, "-o", library, source, "-lm"], check=True)
    return ctypes.CDLL(str(library))


def png(rows: np.ndarray) -> bytes:
    """Return rows of pixels, each after its filter byte, as a PNG file."""
    side, wide = rows.shape
    parts = [b"\x89PNG\r\n\x1a\n"]
    head = struct.pack(">IIBBBBB", wide - 1, side, 8, 0, 0, 0, 0)
    for kind, data in ((b"IHDR", head), (b"IDAT", zlib_ng.compress(rows, 1)), (b"IEND", b"")):
        check = zlib.crc32(kind + data)
        parts += [struct.pack(">I", len(data)), kind, data, struct.pack(">I", check)]
    return b"".join(parts)


def address(array: np.ndarray) -> ctypes.c_void_p:
    """Return where an array's memory begins."""
    return ctypes.c_void_p(array.ctypes.data)


def stamps(
    kernel: ctypes.CDLL, image: np.ndarray, rms: np.ndarray, first: np.ndarray
) -> list[bytes]:
    """Return the stamps of some windows of a mosaic as PNGs."""
    steps = np.arange(SIDE) - SIDE // 2
    inside = (np.hypot(steps[:, None], steps) <= SIDE / 2).astype(np.uint8)
    kept = np.empty((SIDE, SIDE), np.float32)
    rows = np.zeros((len(first), SIDE, SIDE + 1), np.uint8)
    kernel.make_stamps(
        address(image), address(rms), ctypes.c_size_t(image.strides[0]), address(first),
        len(first), SIDE, ctypes.c_float(SIGMA), address(inside), address(kept), address(rows),
    )  # fmt: skip
    return [png(one) for one in rows]


def main(mosaics: str, catalogue: str, out: str) -> None:
    """Make every stamp."""
    folder = Path(tempfile.mkdtemp(prefix="floor-", dir=Path(out).parent))
    begin = time.perf_counter()
    kernel, pool = compiled(folder), ThreadPoolExecutor(2)
    table = pq.read_table(catalogue)
    start, done = time.perf_counter(), 0
    ra, dec = table["RA"].to_numpy(), table["DEC"].to_numpy()
    for path in sorted(Path(mosaics).glob("*-mosaic.fits")):
        with fits.open(path) as image, fits.open(str(path).replace(".fits", "-rms.fits")) as rms:
            x, y = WCS(image[0].header).all_world2pix(ra, dec, 0, quiet=True)
            pixels, noise = image[0].data, rms[0].data
            ny, nx = pixels.shape
            with np.errstate(invalid="ignore"):
                margin = CUTOUT // 2 + 1
                near = (x > margin) & (x < nx - margin) & (y > margin) & (y < ny - margin)
            corner = (CUTOUT - SIDE) // 2 - CUTOUT // 2
            rows = np.rint(y[near]).astype(np.int64) + corner
            columns = np.rint(x[near]).astype(np.int64) + corner
            order = np.lexsort((columns, rows // SIDE))
            first = (rows * pixels.strides[0] + columns * 4)[order]
            chunks = [first[start : start + CHUNK] for start in range(0, len(first), CHUNK)]
            made = pool.map(lambda some: stamps(kernel, pixels, noise, some), chunks)  # noqa: B023
            images = pa.array([one for some in made for one in some], pa.binary())
            part = folder / f"{path.stem}.parquet"
            pq.write_table(pa.table({"image": images}), part, compression="none",
                           use_dictionary=False, write_statistics=False)  # fmt: skip
            done += len(first)
    seconds, aside = time.perf_counter() - start, start - begin
    print(json.dumps({"sources": done, "seconds": seconds, "aside": aside}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
