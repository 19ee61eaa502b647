"""How many wrong labels are in front of the queue of `mingolotss suspects`.

``bench_suspects.py [SEEDS] [SKY]`` simulates the sky of the demo with the seed SKY, gives 5 % of
the rows of its catalogue another class, builds the dataset, and ranks its labels; SEEDS times, with
other rows. It prints the part of the wrong labels in the first tenth of each queue, then the mean
and the minimum.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import mingolotss
from mingolotss.pipeline.inputs import write_simulated_sky

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from flipped_labels import flip_catalogue, part_in_front

FIRST_SEED = 1000


def main(seeds: int = 10, sky: int = 1) -> None:
    """Measure and print."""
    parts = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        catalogue, service = write_simulated_sky(folder, sources=600, seed=sky)
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            changed = folder / f"{seed}.fits"
            wrong = flip_catalogue(catalogue, changed, seed=seed)
            out = folder / str(seed)
            mingolotss.build(
                "mingolotss", out=out, catalogue=changed, service=service,
                settings={"formats": ["parquet"]},
            )  # fmt: skip
            start = time.perf_counter()
            queue = mingolotss.suspects(out)
            seconds = time.perf_counter() - start
            parts.append(part_in_front(queue, wrong, mingolotss.load(out).sources))
            print(
                f"seed {seed}: {len(wrong)} of {len(queue)} labels wrong, {parts[-1]:.2f} of them "
                f"in the first tenth; accuracy {queue.accuracy:.3f}; {seconds:.1f} s",
                flush=True,
            )
    print(f"sky {sky}: mean {np.mean(parts):.3f}, minimum {np.min(parts):.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
