"""The cases of several surveys: channels, resampling and a common beam beside the plain path.

All build stamps of 150 x 150 pixels into Parquet from the same mosaics, so that the ratios are what
these settings cost. Each recipe extends `lotss`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import make_mosaics
from rounds import Program

__all__ = ["write_cases"]

SIDE = 4000  # of a mosaic: two surveys of four mosaics with rms maps take 1 GB
_PLAIN = "plain path, one image"
_START = 'extends = "lotss"\nname = "{name}"\nformats = ["parquet"]\n'
_CHANNEL = '[[channels]]\nname = "{name}"\n[channels.images]\nservice = "mosaics:{folder}"\n'
_CASES = {
    _PLAIN: "",
    "two channels on one grid": "CHANNELS",
    "resampled to 1.8 arcsec (adaptive)": '[stamp]\npixel_arcsec = 1.8\nresample = "adaptive"\n',
    "resampled to 1.8 arcsec (exact)": '[stamp]\npixel_arcsec = 1.8\nresample = "exact"\n',
    "two channels, both resampled": '[stamp]\npixel_arcsec = 1.8\nresample = "adaptive"\nCHANNELS',
    "common beam of 9 arcsec": '[beam]\ncommon = "9 arcsec"\n',
}


def write_cases(
    base: Path, sources: int, build: Callable[..., Program], workers: str = "processes2"
) -> list[Program]:
    """Write two surveys and the recipes; return the builds.

    Parameters
    ----------
    base : Path
    sources : int
    build : callable
        `cases.ours`.
    workers : str
        As `ours.py` takes them.
    """
    folders = [base / f"survey-{number}" for number in (1, 2)]
    for seed, folder in enumerate(folders, 1):
        if not (folder / f"catalogue-{sources}.parquet").exists():  # it is written last
            make_mosaics.main(folder, sources, SIDE, seed)
    catalogue = folders[0] / f"catalogue-{sources}.parquet"
    channels = "".join(
        _CHANNEL.format(name=f"survey{number}", folder=folder)
        for number, folder in enumerate(folders, 1)
    )
    programs = []
    for number, (name, tables) in enumerate(_CASES.items()):
        recipe = base / f"case-{number}.toml"
        text = _START.format(name=f"case-{number}") + tables.replace("CHANNELS", channels)
        recipe.write_text(text, encoding="utf-8")
        service = "" if channels in text else "mosaics"
        programs.append(build(name, catalogue, folders[0], service, recipe, workers))
    return programs


if __name__ == "__main__":
    sys.exit("this is a part of bench.py --only surveys")
