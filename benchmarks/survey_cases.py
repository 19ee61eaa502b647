"""The cases of several surveys: channels, resampling and a common beam beside the plain path.

All build stamps of 150 x 150 pixels into Parquet from the same mosaics, so that the ratios are what
these settings cost. Each recipe extends `lotss`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import make_mosaics

__all__ = ["write_cases"]

SIDE = 4000  # of a mosaic: two surveys of four mosaics with rms maps take 1 GB
PLAIN = "plain path, one image"
_START = 'extends = "lotss"\nname = "{name}"\nformats = ["parquet"]\n'
_CHANNEL = '[[channels]]\nname = "{name}"\n[channels.images]\nservice = "mosaics:{folder}"\n'
_CASES = {
    PLAIN: "",
    "two channels on one grid": "CHANNELS",
    "resampled to 1.8 arcsec (adaptive)": '[stamp]\npixel_arcsec = 1.8\nresample = "adaptive"\n',
    "resampled to 1.8 arcsec (exact)": '[stamp]\npixel_arcsec = 1.8\nresample = "exact"\n',
    "two channels, both resampled": '[stamp]\npixel_arcsec = 1.8\nresample = "adaptive"\nCHANNELS',
    "common beam of 9 arcsec": '[beam]\ncommon = "9 arcsec"\n',
}


def write_cases(
    base: Path, sources: int, script: Callable[..., Any], workers: str = "processes2"
) -> tuple[dict[str, Any], Path]:
    """Write two surveys and the recipes; return the contestants and the folder of the first survey.

    Parameters
    ----------
    base : Path
    sources : int
    script : callable
        Returns a contestant for a program of this folder and its arguments.
    workers : str
        As `ours.py` takes them.
    """
    folders = [base / f"survey-{number}" for number in (1, 2)]
    for seed, folder in enumerate(folders, 1):
        make_mosaics.main(folder, sources, SIDE, seed)
    catalogue = folders[0] / f"catalogue-{sources}.parquet"
    channels = "".join(
        _CHANNEL.format(name=f"survey{number}", folder=folder)
        for number, folder in enumerate(folders, 1)
    )
    contestants = {}
    for number, (name, tables) in enumerate(_CASES.items()):
        recipe = base / f"case-{number}.toml"
        text = _START.format(name=f"case-{number}") + tables.replace("CHANNELS", channels)
        recipe.write_text(text, encoding="utf-8")
        service = "" if channels in text else f"mosaics:{folders[0]}"
        contestants[name] = script("ours.py", catalogue, service, recipe, workers, base / "out")
    return contestants, folders[0]


if __name__ == "__main__":
    sys.exit("this is a part of bench.py --only surveys")
