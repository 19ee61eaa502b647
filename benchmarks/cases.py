"""The programs of each table: builds of mingolotss, and what they are compared with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import make_folder
import make_mosaics
import survey_cases
from rounds import OUT, Program

__all__ = ["Cases"]

HERE = Path(__file__).resolve().parent
SIDE = 8000  # px, of a mosaic
_WORKERS = {
    "processes2": ["--processes", "-j", "2"], "2": ["--threads", "-j", "2"],
    "1": ["--threads", "-j", "1"], "dask1": ["--dask", "local", "-j", "1"],
    "dask2": ["--dask", "local", "-j", "2"],
}  # fmt: skip
_FIRST_IMAGE = "import sys, mingolotss; mingolotss.load(sys.argv[1])[0]"


class Cases:
    """Makes the data of each table when it is needed.

    Parameters
    ----------
    base : Path
        A folder for the data.
    sources : int
    cutana : str, optional
        A Python that has Cutana.
    """

    def __init__(self, base: Path, sources: int, cutana: str | None) -> None:
        self.base, self.sources, self._cutana = base, sources, cutana

    @cached_property
    def folder(self) -> Path:
        """Return the folder with four mosaics and their rms maps."""
        folder = self.base / "mosaics"
        if not any(folder.glob("catalogue-*.parquet")):  # it is written last
            make_mosaics.main(folder, self.sources, SIDE)
        return folder

    def catalogue(self, sources: int) -> Path:
        """Return a catalogue of sources on the mosaics."""
        path = self.base / f"catalogue-{sources}.parquet"
        make_mosaics.write_catalogue(path, sources, SIDE)
        return path

    def build(self, name: str, workers: str, sources: int | None = None) -> Program:
        """Return a build into Parquet from the mosaics."""
        catalogue = self.catalogue(sources or self.sources)
        return ours(name, catalogue, self.folder, "mosaics", "lotss", workers, "parquet")

    def build_packed(self, name: str, workers: str, sources: int | None = None) -> Program:
        """Return a build into Parquet from the packed mosaics."""
        catalogue = self.catalogue(sources or self.sources)
        return ours(name, catalogue, self._packed_folder, "mosaics", "lotss", workers, "parquet")

    def mosaics(self) -> list[Program]:
        """Return all programs that read the mosaics."""
        catalogue = self.catalogue(self.sources)
        programs = [
            *self.few_and_many(self.sources),
            self.build("mingolotss, 2 threads", "2"),
            self.build("mingolotss, 1 thread", "1"),
            self.build("mingolotss, 1 thread, without the compiled kernel", "numpy1"),
            peer("grouped memory-map slices to .npy", "grouped_slices.py", self.folder, catalogue,
                 OUT),
            peer("astropy Cutout2D per source, in memory", "cutout2d.py", self.folder, catalogue,
                 200),
        ]  # fmt: skip
        if shutil.which(os.environ.get("CC", "cc")):
            programs.append(
                peer("lower bound: a compiled kernel, 2 threads, no records", "compiled_floor.py",
                     self.folder, catalogue, OUT)
            )  # fmt: skip
        return programs

    def few_and_many(self, sources: int) -> list[Program]:
        """Return the programs that are compared with different numbers of sources."""
        programs = [self.build("mingolotss, 2 processes", "processes2", sources)]
        if self._cutana:
            programs += [
                peer(f"Cutana 0.4.0, {name}", "cutana_uint8.py", self.folder,
                     self.catalogue(sources), sources, OUT, workers, python=self._cutana)
                for name, workers in (("its own choice of workers", "own"), ("2 workers", "2"))
            ]  # fmt: skip
        return programs

    def packed(self) -> list[Program]:
        """Return builds from plain and from packed mosaics (Rice, tiles of 128 x 128)."""
        return [
            build(f"{kind}, {name}", workers)
            for name, workers in (("2 processes", "processes2"), ("1 thread", "1"))
            for kind, build in (("plain", self.build), ("packed", self.build_packed))
        ]

    @cached_property
    def _packed_folder(self) -> Path:
        from astropy.io import fits

        done = self.base / "packed"
        if done.exists():
            return done
        packed = self.base / "packed-unfinished"
        packed.mkdir(exist_ok=True)
        for path in sorted(self.folder.glob("*.fits")):
            with fits.open(path) as plain:
                tiles = fits.CompImageHDU(
                    plain[0].data, plain[0].header, compression_type="RICE_1", tile_shape=(128, 128)
                )
                hdus = fits.HDUList([fits.PrimaryHDU(), tiles])
                hdus.writeto(packed / f"{path.name}.fz", overwrite=True)
        return packed.rename(done)

    def folders(self) -> list[Program]:
        """Return builds of every product from folders of cutouts."""
        programs = []
        for sources in (5805, 1000):
            folder = self.base / f"folder-{sources}"
            if not (folder / "catalogue.fits").exists():  # it is written last
                make_folder.main(folder, sources)
            for workers, name in (("processes2", "2 processes"), ("2", "2 threads")):
                title, catalogue = f"{sources:,} sources, {name}", folder / "catalogue.fits"
                programs.append(ours(title, catalogue, folder, "folder", "mingolotss", workers))
        return programs

    def dask(self) -> list[Program]:
        """Return a larger build with one and with two Dask workers."""
        names = {1: "1 Dask worker", 2: "2 Dask workers"}
        return [self.build(names[n], f"dask{n}", 5 * self.sources) for n in (1, 2)]

    def million(self) -> list[Program]:
        """Return a build of a million sources beside one of few."""
        return [self.build(f"{n:,} sources, 2 processes", "processes2", n)
                for n in (self.sources, 1_000_000)]  # fmt: skip

    def surveys(self) -> list[Program]:
        """Return builds with channels, resampled stamps and a common beam."""
        return survey_cases.write_cases(self.base, self.sources // 10, ours)

    def startup(self) -> list[Program]:
        """Return short commands, most of whose time is that of their imports."""
        demo, sky, tables = (self.base / name for name in ("demo", "small-sky", "tables"))
        build = ["build", "lotss", "--formats", "parquet", "-c", str(sky / "catalogue-20.parquet"),
                 "-s", f"mosaics:{sky}", "--threads", "-j", "1", "-o"]  # fmt: skip
        if not sky.exists():
            make_mosaics.main(sky, 20, 1000)
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
        for out, arguments in ((tables, build), (demo, ["demo", "--out"])):
            if not out.exists():
                command = _mingolotss(*arguments, str(out))
                subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        first_image = [sys.executable, "-c", _FIRST_IMAGE]
        commands = {
            "python -c 'import numpy'": [sys.executable, "-c", "import numpy"],
            "mingolotss --version": _mingolotss("--version"),
            "mingolotss status demo": _mingolotss("status", str(demo)),
            'mingolotss.load("demo")[0]': [*first_image, str(demo)],
            'mingolotss.load("tables")[0], Parquet': [*first_image, str(tables)],
            "mingolotss build of 20 sources, 1 thread": _mingolotss(*build, OUT),
        }
        return [
            Program(name, [], command, HERE.parent if "mingolotss" in name else None)
            for name, command in commands.items()
        ]


def ours(
    name: str,
    catalogue: Path,
    folder: Path,
    service: str,
    recipe: str | Path,
    workers: str,
    formats: str = "",
) -> Program:
    """Return a build of mingolotss.

    Parameters
    ----------
    name : str
    catalogue, folder : Path
        The sources, and their images.
    service : str
        It reads the folder; "" for that of the recipe.
    recipe : str or Path
    workers : str
        As `ours.py` takes them.
    formats : str
        Those of the recipe if it is empty.
    """
    address = f"{service}:{folder}" if service else ""
    settings = f"{recipe},formats={formats}" if formats else str(recipe)
    job = [sys.executable, str(HERE / "ours.py"), str(catalogue), address, settings, workers, OUT]
    command = []
    if workers in _WORKERS:
        command = _mingolotss("build", str(recipe), "-c", str(catalogue), "-o", OUT)
        command += ["-s", address] if address else []
        command += ["--formats", formats] if formats else []
        command += _WORKERS[workers]
    return Program(name, job, command, HERE.parent, folder)


def peer(name: str, script: str, *arguments: object, python: str = sys.executable) -> Program:
    """Return another program that makes cutouts."""
    return Program(name, [python, str(HERE / "peers" / script), *map(str, arguments)])


def _mingolotss(*arguments: str) -> list[str]:
    """Return a command of mingolotss: the script that is installed beside this Python."""
    return [str(Path(sys.executable).with_name("mingolotss")), *arguments]
