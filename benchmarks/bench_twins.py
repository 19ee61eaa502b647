"""The search for twins in 100,000 images: time and memory.

``bench_twins.py [IMAGES]`` draws images of 150 x 150 pixels, each a random number of Gaussian spots
of random place, size and brightness, with noise that is clipped as a recipe clips it, and searches
them for twins. It prints the time until the features of all images are known, the time of the
whole, the processor time and the largest memory, all with the time of drawing.
"""

from __future__ import annotations

import resource
import sys
import time
from functools import partial

import numpy as np

from mingolotss.dataset.image_stack import ImageStack
from mingolotss.qa.audit.twins import find_twins

SIDE, BLOCK = 150, 41


class DrawnImages:
    """Images that are drawn when they are read, always the same for one number."""

    def __init__(self, count: int) -> None:
        self.shape = (count, SIDE, SIDE)
        self.dtype = np.dtype(np.uint8)
        offset = np.arange(BLOCK) - BLOCK // 2
        self._squared = offset[:, None] ** 2 + offset**2
        rng = np.random.default_rng(0)
        noise = rng.normal(size=(8 * SIDE, 8 * SIDE)).astype(np.float32)
        for axis in (0, 1):
            noise = noise + np.roll(noise, 1, axis) + np.roll(noise, 2, axis)
        self._noise = noise / noise.std()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> np.ndarray:
        """Draw one image."""
        rng = np.random.default_rng(int(index))
        y, x = rng.integers(0, 7 * SIDE, 2)
        sigma = 255 / np.exp(rng.uniform(np.log(8), np.log(400)))
        image = sigma * self._noise[y : y + SIDE, x : x + SIDE]
        for _ in range(rng.integers(1, 6)):
            y, x = (SIDE // 2 - BLOCK // 2 + rng.normal(0, 12, 2)).astype(int).clip(0, SIDE - BLOCK)
            width, flux = rng.uniform(1.7, 6), 255 * rng.uniform(0.1, 1)
            image[y : y + BLOCK, x : x + BLOCK] += flux * np.exp(-self._squared / (2 * width**2))
        image[image <= 3 * sigma] = 0
        return (image * (255 / image.max())).astype(np.uint8)


def note_time(times: list[float], done: int, total: int) -> None:
    """Remember when all images have been read."""
    if done == total:
        times.append(time.perf_counter())


def main() -> None:
    """Search as many images as the command line says."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    times = [time.perf_counter()]
    images = ImageStack([DrawnImages(count)])
    twins = find_twins([images], progress=partial(note_time, times))
    times.append(time.perf_counter())
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = usage.ru_utime + usage.ru_stime
    print(
        f"{count:,} images: features {times[1] - times[0]:.0f} s, all {times[2] - times[0]:.0f} s"
    )
    print(f"processor {seconds:.0f} s, memory {usage.ru_maxrss / 1024:.0f} MB")
    print(f"{len(twins.pairs)} pairs")


if __name__ == "__main__":
    main()
