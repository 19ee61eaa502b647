"""The terminal shows lines of this program only: no warning of a library, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from builds import run
from format_names import PLAIN_FORMATS
from mingolotss.dataset.manifest import read_manifest
from mingolotss.sky.wcs import simple_header
from skies import KINDS, random_sky, write_catalogue, write_fits

SIDE = 200


def quiet(done, *codes):
    """Assert that a command ended with one of the codes, and that stderr has its own lines only."""
    assert done.returncode in (codes or (0,)), (done.stdout, done.stderr)
    for word in ("Warning", "Traceback", "/site-packages/"):
        assert word not in done.stderr, done.stderr
    messages = [line for line in done.stderr.splitlines() if line.startswith("mingolotss: ")]
    assert len(messages) == (done.returncode > 1), done.stderr
    return done


def card(**cards):
    """Return a change of a header that sets cards."""
    return lambda header, data: header.update(cards) or data


def pixels(function, dtype="f4"):
    """Return a change of an image."""

    def change(header, data):
        with np.errstate(all="ignore"):
            return np.asarray(function(data.astype("f8"))).astype(dtype)

    return change


def raw(change):
    """Return a change of the bytes of a file."""
    return lambda path: path.write_bytes(change(path.read_bytes()))


IMAGES = {  # what is unusual about an image or its rms map
    "obsdate": card(**{"DATE-OBS": "31/12/99", "MJD-OBS": 51543.5}),
    "baddate": card(**{"DATE-OBS": "yesterday", "TIMESYS": "XYZ"}),
    "bunit": card(BUNIT="JY/BEAM /pix^^2"),
    "cunit": card(CUNIT1="DEGREES", CUNIT2="deg   "),
    "badcunit": card(CUNIT1="furlong", CUNIT2="furlong"),
    "blank": card(BLANK=-32768),
    "radecsys": card(RADECSYS="FK5", EQUINOX=2000.0),
    "equinox": card(EQUINOX="J2000"),
    "velocity": card(RESTFREQ=1.4e8, SPECSYS="LSRK", VELREF=257),
    "longcard": card(HISTORY="x" * 3000, COMMENT="y" * 400),
    "scale": card(CDELT1=0.0),
    "rotation": card(CROTA2=12.0, LONPOLE=180.0),
    "huge": pixels(lambda data: data * 1e308, "f8"),
    "large": pixels(lambda data: data * 1e36),
    "tiny": pixels(lambda data: data * 1e-300, "f8"),
    "infinite": pixels(lambda data: np.where(data > 0, np.inf, data)),
    "nans": pixels(lambda data: np.full_like(data, np.nan)),
    "zeros": pixels(lambda data: data * 0),
    "constant": pixels(lambda data: data * 0 + 7),
    "bytes": pixels(lambda data: data * 1e6 % 255, "u1"),
    "shorts": pixels(lambda data: data * 1e6, "i2"),
    "longs": pixels(lambda data: data * 1e15, "i8"),
}
RMS_MAPS = {
    "rmszero": pixels(lambda data: data * 0),
    "rmsnan": pixels(lambda data: data * np.nan),
    "rmsnegative": pixels(lambda data: -data),
    "rmsinfinite": pixels(lambda data: data * np.inf),
    "rmshuge": pixels(lambda data: data * 1e306, "f8"),
    "rmsbytes": pixels(lambda data: data * 0 + 1, "u1"),
}
FILES = {
    "html": raw(lambda _: b"<html>not found</html>"),
    "empty": raw(lambda _: b""),
    "short": raw(lambda data: data[:-5000]),
    "long": raw(lambda data: data + b"x" * 1000),
    "noend": raw(lambda data: data.replace(b"END     ", b"XEND    ", 1)),
    "lowercase": raw(lambda data: data.replace(b"RADESYS", b"radesys", 1)),
    "nonascii": raw(lambda data: data.replace(b"RADESYS", b"RAD\xc9SYS", 1)),
    "noquote": raw(lambda data: data.replace(b"'ICRS", b" ICRS", 1)),
    "naxis": raw(
        lambda data: data.replace(
            b"NAXIS1  =                  200", b"NAXIS1  =                 -200", 1
        )
    ),
    "bitpix": raw(lambda data: data.replace(b"-32", b"-33", 1)),
}
NAMES = [*IMAGES, *RMS_MAPS, *FILES, *(f"kind-{kind}" for kind in KINDS)]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Give a folder with images and rms maps of every kind above, and its catalogue."""
    folder = tmp_path_factory.mktemp("hostile") / "in"
    folder.mkdir()
    rng = np.random.default_rng(3)
    ra = 180 + 0.2 * np.arange(len(NAMES))
    for index, name in enumerate(NAMES):
        header = simple_header(ra[index], 50.0, shape=(SIDE, SIDE), scale_arcsec=1.5)
        image = rng.normal(0, 1e-4, (SIDE, SIDE)).astype("f4")
        image[95:105, 95:105] += 0.01
        rms = np.full_like(image, 1e-4)
        cards = [fits.Header.fromstring(header.decode()) for _ in range(2)]
        for one in cards:
            one["RADESYS"] = "ICRS"
        image = IMAGES.get(name, lambda _, data: data)(cards[0], image)
        rms = RMS_MAPS.get(name, lambda _, data: data)(cards[1], rms)
        paths = [folder / f"{name}_P1-mosaic{end}.fits" for end in ("", "-rms")]
        for path, one, data in zip(paths, cards, (image, rms), strict=True):
            for key in ("NAXIS", "NAXIS1", "NAXIS2"):
                one.remove(key, ignore_missing=True)
            fits.PrimaryHDU(data, one).writeto(path, output_verify="ignore")
        if name.startswith("kind-"):
            write_fits(paths[0], image, header, name.removeprefix("kind-"))
        FILES.get(name, lambda _: None)(paths[0])
    write_catalogue(folder.parent / "catalogue.fits", NAMES, ra, np.full(len(NAMES), 50.0))
    return folder


RECIPES = {
    "rms-map": [],
    "clipped": ["--set", "noise.method=sigma-clipped", "--set", "recentre.enabled=false"],
    "float32": ["--set", "stamp.kind=float32", "--set", 'steps=[{do="asinh"}]',
                "--formats", "parquet"],
    "zscale": ["--set", 'steps=[{do="zscale"}]', "--set", "noise.otherwise=sigma-clipped"],
}  # fmt: skip


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(
            name, marks=[pytest.mark.slow] if name in {"float32", "rms-map", "zscale"} else []
        )
        for name in RECIPES
    ],
)
def test_hostile_images(hostile, tmp_path, recipe):
    """Each image is a stamp or a rejection of one line; processes and threads say nothing else."""
    out = tmp_path / "out"
    workers = ["--threads", "-j", 2] if recipe == "clipped" else ["-j", 2]
    quiet(run("build", "--catalogue", hostile.parent / "catalogue.fits", "--service",
              f"folder:{hostile}", "--out", out, "--max-rejected", 100, *workers,
              *RECIPES[recipe]))  # fmt: skip
    rows = read_manifest(out).to_pylist()
    assert all(row["status"] == "written" or "\n" not in row["reason"] for row in rows)
    assert sum(row["status"] == "written" for row in rows) > len(rows) / 2
    if recipe == "rms-map":
        quiet(run("status", out))
        quiet(run("verify", out))
        quiet(run("report", out))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Give a build with stamps and rejections of every kind of `skies`."""
    folder = tmp_path_factory.mktemp("built")
    sky = random_sky(folder / "in", 40, seed=12)
    out = folder / "out"
    quiet(run("build", "--catalogue", sky.catalogue, "--service", f"folder:{sky.folder}", "--out",
              out, "--max-rejected", 100))  # fmt: skip
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN_FORMATS)
def test_exports(built, tmp_path, name):
    """Writing and checking a format, or the line that names its library."""
    out = tmp_path / "export"
    done = quiet(run("export", built, "--format", name, "--out", out), 0, 2)
    if done.returncode == 2:
        assert "pip install" in done.stderr
        return
    quiet(run("verify", out), 0)
    if name == "parquet":
        quiet(run("compare", built, out), 0, 1)


def unusual_table():
    """Return a table with units, nulls and columns that libraries warn of."""
    table = Table({"Source_Name": ["A", "B"], "RA": [180.0, 181.0], "DEC": [50.0, 50.0]})
    table["RA"].unit, table["DEC"].unit = "deg", "deg"
    table["LM_dec_size"] = MaskedColumn([1.0, 2.0], mask=[True, False], unit="arcsec")
    table["LM_Flux"] = MaskedColumn([1, 2], mask=[False, True])
    table["a name with spaces and µ"] = [np.inf, np.nan]
    table["a" * 80] = [1 + 2j, 0]
    for flag in ("FR1", "FR2", "Indeterminate", "Small", "NAT", "WAT", "D-D"):
        table[flag] = [flag == "FR1"] * 2
    return table


def write_fits_table(path):
    table = unusual_table()
    table.rename_columns(["a name with spaces and µ", "a" * 80], ["a name with spaces", "a" * 60])
    hdu = fits.BinTableHDU(table)
    hdu.header["TUNIT4"], hdu.header["TNULL5"] = "arcseconds^^", -99
    hdu.writeto(path, output_verify="ignore")


def write_votable(path):
    unusual_table()[["Source_Name", "RA", "DEC", "FR1"]].write(path, format="votable")
    text = path.read_text().replace('unit="deg"', 'unit="degreez" ID="9 bad"', 1)
    path.write_text(text.replace("version=", 'junk="1" version=', 1))


CATALOGUES = {
    "catalogue.fits": write_fits_table,
    "catalogue.vot": write_votable,
    "catalogue.ecsv": lambda path: unusual_table().write(path, format="ascii.ecsv"),
    "ragged.csv": lambda path: path.write_text("Source_Name,RA,DEC,x,x,\nA,1,2,3\nB,4,5,6,7,8,9\n"),
    "empty.csv": lambda path: path.write_text(""),
    "bytes.csv": lambda path: path.write_bytes(b"Source_Name,RA,DEC\n\xff\xfe,1,2\n"),
    "dates.csv": lambda path: path.write_text("Source_Name,RA,DEC\n2000-01-01,1,1e400\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOGUES)
def test_hostile_catalogues(tmp_path, name):
    """A catalogue is read, or is an error of one line."""
    path = tmp_path / name
    CATALOGUES[name](path)
    done = quiet(run("plan", "--catalogue", path, "--service", f"mosaics:{tmp_path}", "--out",
                     tmp_path / "out"), 2)  # fmt: skip
    assert done.stderr.startswith("mingolotss: "), done.stderr


NOISY = """
import logging, warnings
import numpy as np
from mingolotss.cli import main
from mingolotss.recipe.steps import Stack, step

@step("noisy")
def noisy(stack):
    "Warn in many ways."
    np.float32([1e38]) * np.float32([1e38])
    warnings.warn("two\\nlines of a plug-in", FutureWarning, stacklevel=1)
    return Stack(stack.image, stack.noise, stack.side)

if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [["--threads", "-j", 1], ["-j", 2]])
def test_a_warning_of_a_plug_in_is_one_line(hostile, tmp_path, workers):
    """Its text and its place are shown; the overflow in its arithmetic is not worth a line."""
    script = tmp_path / "noisy.py"
    script.write_text(NOISY)
    done = subprocess.run(
        [sys.executable, script, "build", "--catalogue", hostile.parent / "catalogue.fits",
         "--service", f"folder:{hostile}", "--out", tmp_path / "out", "--max-rejected", "100",
         "--set", 'steps=[{do="zero-nan"}, {do="noisy"}, {do="minmax"}]', *map(str, workers)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("mingolotss: ")]
    assert lines
    assert all(line.startswith("mingolotss: two lines of a plug-in (noisy.py:") for line in lines)


CASES = Path(os.environ.get("MINGOLOTSS_SHARED", Path(__file__).parents[2] / "shared")) / "cases"


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", sorted(path.name for path in CASES.glob("*.py") if path.name != "lib.py") or ["none"]
)
def test_the_cases_of_the_project(tmp_path, case):
    """The scripts print what the program printed; the program is this one."""
    if case == "none":
        pytest.skip("needs the project's data in ../shared, which is not here")
    program = tmp_path / "mingolotss"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mingolotss "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, CASES / case], capture_output=True, text=True, check=False,
        env=os.environ | {"MINGOLOTSS": str(program), "CASES_OUT": str(tmp_path / "cases")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for word in ("Warning", "Traceback"):
        assert word not in done.stdout + done.stderr, done.stdout[-5000:]
