"""Headers of every kind for the tests of the WCS, and the comparison of their positions with astropy.

``python tests/wcs_headers.py 5000`` prints a table of the outcomes by kind of header.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import astropy.io.fits.tests as fits_tests
import astropy.wcs.tests as wcs_tests
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, WCSSUB_CELESTIAL
from astropy.wcs.utils import wcs_to_celestial_frame

from mingolotss.errors import NoWCSError
from mingolotss.sky.wcs import SkyWCS

__all__ = ["Case", "compare", "generated", "published", "table", "wcslib_headers"]

TOLERANCE = 1e-6  # pixels
ZENITHAL = ("AZP", "SZP", "TAN", "STG", "SIN", "ARC", "ZPN", "ZEA", "AIR")
CYLINDRICAL = ("CYP", "CEA", "CAR", "MER", "SFL", "PAR", "MOL", "AIT")
CONIC = ("COP", "COE", "COD", "COO", "BON", "PCO")
OTHER = ("TSC", "CSC", "QSC", "HPX", "XPH")
OLD = ("NCP", "GLS")
PARAMETERS = {
    "AZP": {1: 2.0, 2: 30.0}, "SZP": {1: 2.0, 2: 180.0, 3: 60.0}, "SIN": {1: 0.01, 2: 0.02},
    "ZPN": {0: 0.0, 1: 1.0, 3: 0.01}, "AIR": {1: 45.0}, "CYP": {1: 1.0, 2: 0.7}, "CEA": {1: 0.9},
    "COP": {1: 45.0, 2: 25.0}, "COE": {1: 45.0, 2: 25.0}, "COD": {1: 45.0, 2: 25.0},
    "COO": {1: 45.0, 2: 25.0}, "BON": {1: 45.0},
}  # fmt: skip
OPTIONAL_PARAMETERS = {"SIN", "CEA", "CYP", "AZP", "SZP", "AIR"}
FRAMES = {
    "ICRS": {"RADESYS": "ICRS"}, "FK5": {"RADESYS": "FK5"},
    "FK5 of 1987.5": {"RADESYS": "FK5", "EQUINOX": 1987.5}, "FK4": {"RADESYS": "FK4"},
    "FK4 of 1900": {"RADESYS": "FK4", "EQUINOX": 1900.0},
    "FK4-NO-E": {"RADESYS": "FK4-NO-E", "EQUINOX": 1950.0}, "EQUINOX 1950": {"EQUINOX": 1950.0},
    "EQUINOX 2000": {"EQUINOX": 2000.0}, "none": {}, "galactic": {}, "supergalactic": {},
    "ecliptic": {"RADESYS": "FK5"},
}  # fmt: skip
AXES = {"galactic": ("GLON", "GLAT"), "supergalactic": ("SLON", "SLAT"), "ecliptic": ("ELON", "ELAT")}
UNITS = {"": 1.0, "deg": 1.0, "degree": 1.0, "DEGREES": 1.0, "arcsec": 3600.0, "rad": np.pi / 180}
FURTHER_AXES = (
    {"CTYPE": "FREQ", "CRVAL": 1.4e8, "CDELT": 1e6, "CRPIX": 1.0, "CUNIT": "Hz"},
    {"CTYPE": "STOKES", "CRVAL": 1.0, "CDELT": 1.0, "CRPIX": 1.0},
    {"CTYPE": "VELO-LSR", "CRVAL": -1e4, "CDELT": 1e3, "CRPIX": 1.0, "CUNIT": "m/s"},
)


@dataclass(frozen=True)
class Case:
    """A header, its kind for the table, and the same with standard keywords and numbers."""

    kind: str
    header: bytes
    standard: bytes


def generated(seed: int) -> Case:
    """Return one of the headers that observatories could write."""
    rng = np.random.default_rng(seed)
    pick = lambda options: options[int(rng.integers(len(options)))]  # noqa: E731
    family, codes = pick([
        ("zenithal", ZENITHAL), ("cylindrical", CYLINDRICAL), ("conic", CONIC), ("other", OTHER),
        ("old", OLD),
    ])  # fmt: skip
    code, frame = pick(codes), pick(sorted(FRAMES))
    further = [FURTHER_AXES[i] for i in rng.permutation(3)[: int(rng.integers(0, 3))]]
    sky = [0, 1] if rng.random() < 0.7 else [1, 0]
    order = [*sky, *range(2, 2 + len(further))]
    if rng.random() < 0.3:
        order = [int(i) for i in rng.permutation(order)]
    place = {axis: 1 + order.index(axis) for axis in range(len(order))}
    lon, lat = place[0], place[1]
    names = AXES.get(frame, ("RA--", "DEC-"))
    unit, scale = pick(["", "deg", "deg", "deg", *UNITS]), pick([1.5 / 3600, 1e-4, 0.05])
    cards: dict[str, float | str] = {"NAXIS": len(order)}
    cards |= {f"NAXIS{i}": 100 if i in (lon, lat) else 1 for i in sorted(place.values())}
    cards |= {f"CTYPE{lon}": f"{names[0]}-{code}", f"CTYPE{lat}": f"{names[1]}-{code}"}
    centre = pick([0.0, 45.0, rng.uniform(-89, 89)]) if family != "old" else rng.uniform(20, 80)
    cards |= {f"CRVAL{lon}": rng.uniform(0, 360), f"CRVAL{lat}": centre}
    cards |= {f"CRPIX{i}": rng.uniform(-50, 150) for i in (lon, lat)}
    for axis, values in enumerate(further, 2):
        cards |= {f"{name}{place[axis]}": value for name, value in values.items()}
    turn = rng.uniform(0, 6.28)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    form = pick(["CD", "PC", "CROTA", "CDELT"])
    step = np.array([-scale, scale])
    sky_axes = (lon, lat)
    for row, i in enumerate(sky_axes):
        for column, j in enumerate(sky_axes):
            if form == "CD":
                cards[f"CD{i}_{j}"] = step[row] * matrix[row, column]
            elif form == "PC":
                cards[f"PC{i}_{j}"] = matrix[row, column]
        if form != "CD":
            cards[f"CDELT{i}"] = step[row]
    if form == "CROTA":
        cards[f"CROTA{lat}"] = np.degrees(turn)
    if unit:
        for i in sky_axes:
            cards[f"CUNIT{i}"] = unit
            for keyword in (f"CRVAL{i}", f"CDELT{i}", f"CD{i}_{lon}", f"CD{i}_{lat}"):
                if keyword in cards:
                    cards[keyword] *= UNITS[unit]
    if code in PARAMETERS and not (code in OPTIONAL_PARAMETERS and rng.random() < 0.5):
        cards |= {f"PV{lat}_{m}": value for m, value in PARAMETERS[code].items()}
    cards |= FRAMES[frame]
    if rng.random() < 0.2:
        cards["LONPOLE"] = rng.uniform(0, 359)
    if rng.random() < 0.1:
        cards["LATPOLE"] = rng.uniform(-90, 90)
    spelling = pick(["standard", "standard", "old keywords", "D exponents", "free format"])
    return Case(
        f"{family}, {spelling}", spelled(cards, spelling, lat, rng), spelled(cards, "standard", lat, rng)
    )


def spelled(
    cards: dict[str, float | str], spelling: str, lat: int, rng: np.random.Generator
) -> bytes:
    """Return a header with these values, in one of the spellings of the wild."""
    lines = []
    pick = lambda options: options[int(rng.integers(len(options)))]  # noqa: E731
    old_matrix = pick([lambda i, j: f"{i:03d}{j:03d}", lambda i, j: f"{i:02d}_{j:02d}"])
    for keyword, value in cards.items():
        name, text = keyword, f"'{value:8}'" if isinstance(value, str) else repr(value).upper()
        text = text.removeprefix("NP.FLOAT64(").removesuffix(")")
        if spelling == "old keywords":
            if keyword[:2] in ("PC", "CD") and keyword[2].isdigit():
                name = keyword[:2] + old_matrix(*map(int, keyword[2:].split("_")))
            elif keyword.startswith(f"PV{lat}_"):
                name = f"PROJP{keyword.split('_')[1]}"
            name = {"RADESYS": "RADECSYS", "EQUINOX": "EPOCH"}.get(name, name)
        if spelling == "D exponents" and isinstance(value, float):
            text = f"{value:.16E}".replace("E", "D")
        line = f"{name:8}= {text:>20} / a comment with '= 1.0'"
        if spelling == "free format":
            number = not isinstance(value, str)
            line = pick([
                f"{name:8}= {text}", f"{name:8}=     {text}/no blank", f"{name.lower():8}= {text}",
                f"{name}= {text} / early", f"{name:8}= {text.replace('E', 'e') if number else text}",
                f"{name:8}= {text.replace('E', 'E ') if number else text}",
            ])  # fmt: skip
        lines.append(line)
    rng.shuffle(lines)
    return "".join(line.ljust(80)[:80] for line in [*lines, "END"]).encode()


def published() -> Iterator[Case]:
    """Yield each header among the test data of the installed astropy."""
    for package in (wcs_tests, fits_tests):
        folder = Path(package.__file__).parent / "data"
        for path in sorted(folder.rglob("*")):
            yield from _headers_of(path, f"astropy, {folder.parts[-3]}")


def wcslib_headers(folder: Path) -> Iterator[Case]:
    """Yield each header in ``C/test`` of a copy of wcslib's source."""
    for path in sorted(folder.glob("*.keyrec")):
        raw = path.read_bytes()
        lines = raw.decode("latin1").splitlines()
        cards = "".join(line[:80].ljust(80) for line in lines if not line.startswith("#"))
        for part in cards.split("END".ljust(80)):
            if part.strip():
                yield Case("wcslib", part.encode("latin1"), part.encode("latin1"))


def _headers_of(path: Path, kind: str) -> Iterator[Case]:
    if path.suffix == ".hdr":
        raw = path.read_bytes()
        if b"\n" in raw:
            raw = b"".join(line.rstrip(b"\r").ljust(80)[:80] for line in raw.split(b"\n"))
        yield Case(kind, raw, raw)
    elif ".fits" in path.name:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with fits.open(path, ignore_missing_simple=True) as hdus:
                    headers = [hdu.header.tostring(padding=False) for hdu in hdus]
            except Exception:  # noqa: BLE001 - test data of astropy that is meant to fail
                return
        for header in headers:
            raw = header.encode("latin1")
            yield Case(kind, raw, raw)


def compare(case: Case, seed: int = 0) -> str:
    """Return the outcome for one header; "different" is a fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing may reach the terminal
        try:
            ours = SkyWCS.from_header(case.header, path="x.fits")
        except NoWCSError as error:
            ours, refusal = None, str(error)
            if "\n" in refusal or "x.fits" not in refusal or len(refusal) > 300:
                return f"different: unclear message {refusal!r}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference, note = _reference(case.standard)
        if reference is None:
            return "both refuse" if ours is None else f"different: astropy refuses ({note})"
        if ours is None:
            return f"ours refuses: {refusal.partition(': ')[2] or refusal}"
        wcs, frame = reference
        swapped = wcs.wcs.lng == 1
        rng = np.random.default_rng(seed)
        x, y = (wcs.wcs.crpix[i] - 1 + rng.uniform(-50, 50, 5) for i in (0, 1))
        world = wcs.all_pix2world(x, y, 0)
        sky = SkyCoord(*(world[::-1] if swapped else world), unit="deg", frame=frame).icrs

        def back(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
            native = SkyCoord(ra, dec, unit="deg").transform_to(frame).spherical
            pair = native.lon.deg, native.lat.deg
            return np.array(wcs.all_world2pix(*(pair[::-1] if swapped else pair), 0, quiet=True))

        expected = back(sky.ra.deg, sky.dec.deg)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ra, dec = ours.to_sky(x, y)
        pixels = np.array(ours.to_pixel(sky.ra.deg, sky.dec.deg))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours_back = back(ra, dec)
    for got in (pixels, ours_back):
        if not np.allclose(got, expected, rtol=0, atol=TOLERANCE, equal_nan=True):
            return f"different: {np.nanmax(np.abs(got - expected)):.3g} pixels"
    return "equal" + note if np.isfinite(expected).any() else "equal (off the projection)" + note


def compare_apart(case: Case, seed: int = 0) -> str:
    """Return the outcome for one header, found in a process of its own, which astropy may abort."""
    SkyWCS_refuses = False
    try:
        SkyWCS.from_header(case.header, path="x.fits")
    except NoWCSError:
        SkyWCS_refuses = True
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writer, compare(case, seed).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        outcome = stream.read().decode()
    _, status = os.waitpid(child, 0)
    if status:
        return "astropy aborts, " + ("ours refuses" if SkyWCS_refuses else "ours gives a position")
    return outcome


def _reference(header: bytes):
    """Return astropy's WCS of the two axes and its frame, and a note; None if astropy refuses."""
    parsed = fits.Header.fromstring(header.decode("latin1"))
    without_tables = parsed.copy()
    for keyword in [*without_tables["CTYPE*"], *without_tables["PS*"]]:
        if keyword[0] == "P" or str(parsed[keyword]).endswith("-TAB"):
            del without_tables[keyword]
    ways = (
        (parsed, None, ""), (parsed, [WCSSUB_CELESTIAL], " (celestial axes only)"),
        (parsed, 2, " (the first two axes)"), (without_tables, None, " (without -TAB)"),
    )  # fmt: skip
    for cards, naxis, note in ways:
        try:
            wcs = WCS(cards.copy(), naxis=naxis).celestial
            wcs.wcs.set()
            if wcs.naxis != 2 or wcs.wcs.lng < 0:
                return None, "no celestial axes"
            return (wcs, wcs_to_celestial_frame(wcs)), note
        except Exception as error:  # noqa: BLE001 - whatever it is, astropy gives no position
            problem = f"{type(error).__name__}: {error}".splitlines()[-1]
    return None, problem


def table(cases: Iterator[Case]) -> dict[str, Counter[str]]:
    """Count the outcomes of cases by kind."""
    counts: dict[str, Counter[str]] = {}
    for number, case in enumerate(cases):
        outcome = (compare if case.kind.count(",") and "astropy" not in case.kind else compare_apart)(case, number)
        if outcome.startswith("different"):
            print(number, case.kind, outcome, *_lines(case.header), sep="\n    ")
        counts.setdefault(case.kind, Counter())[outcome] += 1
    return counts


def _lines(header: bytes) -> list[str]:
    text = header.decode("latin1")
    return [text[i : i + 80].rstrip() for i in range(0, len(text), 80)][:60]


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    groups = [published(), (generated(seed) for seed in range(number))]
    if folder := os.environ.get("WCSLIB_TEST_DATA"):
        groups.insert(1, wcslib_headers(Path(folder)))
    for cases in groups:
        for kind, outcomes in sorted(table(cases).items()):
            for outcome, count in outcomes.most_common():
                print(f"{kind:32} {count:5}  {outcome}")


if __name__ == "__main__":
    main()
