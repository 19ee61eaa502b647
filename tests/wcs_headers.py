"""Headers of every kind, and the comparison of their positions with those of astropy.

``python tests/wcs_headers.py 5000 astropy wcslib/C/test`` compares 5000 generated headers, all
headers among the test data of astropy, and those in a folder of wcslib's source, and writes a table
of the outcomes by kind.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import astropy.io.fits.tests as fits_tests
import astropy.wcs.tests as wcs_tests
import numpy as np
from astropy import log
from astropy.coordinates import BaseCoordinateFrame, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, WCSSUB_CELESTIAL
from astropy.wcs.utils import wcs_to_celestial_frame

from mingolotss.errors import NoWCSError
from mingolotss.sky.wcs import SkyWCS

__all__ = ["Case", "compare", "generated", "published", "spelled", "wcslib_headers"]

TOLERANCE = 1e-6  # pixels
Cards = dict[str, float | str]
ZENITHAL = ("AZP", "SZP", "TAN", "STG", "SIN", "ARC", "ZPN", "ZEA", "AIR")
CYLINDRICAL = ("CYP", "CEA", "CAR", "MER", "SFL", "PAR", "MOL", "AIT")
CONIC = ("COP", "COE", "COD", "COO", "BON", "PCO")
OTHER = ("TSC", "CSC", "QSC", "HPX", "XPH")
OLD = ("NCP", "GLS")
DISTORTED = (
    "TAN-SIP", "TAN with SIP", "SIN with SIP", "TPV", "TAN of SCAMP", "TPV with SIP",
    "TAN of SCAMP with SIP",
)  # fmt: skip
FAMILIES = (
    ("zenithal", ZENITHAL), ("cylindrical", CYLINDRICAL), ("conic", CONIC), ("other", OTHER),
    ("old", OLD), ("distorted", DISTORTED),
)  # fmt: skip
SPELLINGS = ("standard", "old keywords", "D exponents", "free format")
PARAMETERS = {
    "AZP": {1: 2.0, 2: 30.0}, "SZP": {1: 2.0, 2: 180.0, 3: 60.0}, "SIN": {1: 0.01, 2: 0.02},
    "ZPN": {0: 0.0, 1: 1.0, 3: 0.01}, "AIR": {1: 45.0}, "CYP": {1: 1.0, 2: 0.7}, "CEA": {1: 0.9},
    "COP": {1: 45.0, 2: 25.0}, "COE": {1: 45.0, 2: 25.0}, "COD": {1: 45.0, 2: 25.0},
    "COO": {1: 45.0, 2: 25.0}, "BON": {1: 45.0},
}  # fmt: skip
POLYNOMIAL = {0: 0.0001, 1: 1.001, 2: 0.002, 4: 1e-4, 5: 2e-4, 7: 1e-5}
OPTIONAL_PARAMETERS = {"SIN", "CEA", "CYP", "AZP", "SZP", "AIR"}
FRAMES: dict[str, Cards] = {
    "ICRS": {"RADESYS": "ICRS"}, "FK5": {"RADESYS": "FK5"},
    "FK5 of 1987.5": {"RADESYS": "FK5", "EQUINOX": 1987.5}, "FK4": {"RADESYS": "FK4"},
    "FK4 of 1900": {"RADESYS": "FK4", "EQUINOX": 1900.0},
    "FK4-NO-E": {"RADESYS": "FK4-NO-E", "EQUINOX": 1950.0}, "EQUINOX 1950": {"EQUINOX": 1950.0},
    "EQUINOX 2000": {"EQUINOX": 2000.0}, "none": {}, "galactic": {}, "supergalactic": {},
    "ecliptic": {"RADESYS": "FK5"},
}  # fmt: skip
AXES = {
    "galactic": ("GLON", "GLAT"), "supergalactic": ("SLON", "SLAT"), "ecliptic": ("ELON", "ELAT"),
}  # fmt: skip
UNITS = {"": 1.0, "deg": 1.0, "degree": 1.0, "DEGREES": 1.0, "arcsec": 3600.0, "rad": np.pi / 180}
FURTHER_AXES: tuple[Cards, ...] = (
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
    family, codes = FAMILIES[rng.integers(len(FAMILIES))]
    kind, frame = str(rng.choice(codes)), str(rng.choice(sorted(FRAMES)))
    code = kind.partition(" ")[0]
    cards, lon, lat = _axes(
        rng, code, AXES.get(frame, ("RA--", "DEC-")), is_mixed=family != "distorted"
    )
    cards |= _linear_part(rng, lon, lat)
    centre = rng.choice([0.0, 45.0, rng.uniform(-89, 89)])
    cards |= {
        f"CRVAL{lon}": rng.uniform(0, 360),
        f"CRVAL{lat}": float(rng.uniform(20, 80) if family == "old" else centre),
    }
    unit = str(rng.choice(["", "", "deg", "deg", *UNITS]))
    if unit:
        cards |= _in_unit(cards, unit, lon, lat)
    if code in PARAMETERS and not (code in OPTIONAL_PARAMETERS and rng.random() < 0.5):
        cards |= {f"PV{lat}_{m}": value for m, value in PARAMETERS[code].items()}
    if "SIP" in kind:
        cards |= _sip(rng)
    if "SCAMP" in kind or "TPV" in kind:
        cards |= {f"PV{i}_{m}": value for i in (1, 2) for m, value in POLYNOMIAL.items()}
    cards |= FRAMES[frame]
    if rng.random() < 0.2 and family != "distorted":
        cards["LONPOLE"] = rng.uniform(0, 359)
    if rng.random() < 0.1 and family != "distorted":
        cards["LATPOLE"] = rng.uniform(-90, 90)
    spelling = str(rng.choice(["standard", *SPELLINGS]))
    header, standard = spelled(cards, spelling, rng), spelled(cards, "standard", rng)
    return Case(f"{family}, {spelling}", header, standard)


def _sip(rng: np.random.Generator) -> Cards:
    """Return a polynomial of second order, with its inverse or without."""
    forward: Cards = {"A_ORDER": 2, "B_ORDER": 2}
    forward |= {f"{axis}_{i}_{2 - i}": rng.normal(0, 1e-5) for axis in "AB" for i in range(3)}
    if rng.random() < 0.5:
        return forward
    return forward | {"AP_ORDER": 2, "BP_ORDER": 2, "AP_1_0": 1e-6, "BP_0_1": -1e-6}


def _axes(
    rng: np.random.Generator, code: str, names: tuple[str, str], *, is_mixed: bool
) -> tuple[Cards, int, int]:
    """Return the cards of two to four axes, and the numbers of longitude and latitude."""
    further = [FURTHER_AXES[i] for i in rng.permutation(3)[: rng.integers(0, 3)]]
    order = [0, 1, *range(2, 2 + len(further))]
    if rng.random() < 0.3:
        order[:2] = [1, 0]
    if rng.random() < 0.3 and is_mixed:
        order = rng.permutation(order).tolist()
    lon, lat = 1 + order.index(0), 1 + order.index(1)
    cards: Cards = {"NAXIS": len(order)}
    cards |= {f"NAXIS{i}": 100 if i in (lon, lat) else 1 for i in range(1, 1 + len(order))}
    cards |= {f"CTYPE{lon}": f"{names[0]}-{code}", f"CTYPE{lat}": f"{names[1]}-{code}"}
    for axis, values in enumerate(further, 2):
        place = 1 + order.index(axis)
        cards |= {f"{name}{place}": value for name, value in values.items()}
    return cards, lon, lat


def _linear_part(rng: np.random.Generator, lon: int, lat: int) -> Cards:
    """Return the reference pixel, and the matrix in one of its four forms."""
    axes, turn = (lon, lat), rng.uniform(0, 6.28)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    step = np.array([-1, 1]) * rng.choice([1.5 / 3600, 1e-4, 0.05])
    form = rng.choice(["CD", "PC", "CROTA", "CDELT"])
    cards: Cards = {f"CRPIX{i}": rng.uniform(-50, 150) for i in axes}
    pairs = [(row, i, column, j) for row, i in enumerate(axes) for column, j in enumerate(axes)]
    if form == "CD":
        return cards | {f"CD{i}_{j}": float(step[r] * matrix[r, c]) for r, i, c, j in pairs}
    cards |= {f"CDELT{i}": float(step[row]) for row, i in enumerate(axes)}
    if form == "PC":
        cards |= {f"PC{i}_{j}": float(matrix[r, c]) for r, i, c, j in pairs}
    if form == "CROTA":
        cards[f"CROTA{lat}"] = float(np.degrees(turn))
    return cards


def _in_unit(cards: Cards, unit: str, lon: int, lat: int) -> Cards:
    """Return the cards of the celestial axes in another unit than degrees."""
    converted: Cards = {f"CUNIT{i}": unit for i in (lon, lat)}
    for i in (lon, lat):
        for keyword in (f"CRVAL{i}", f"CDELT{i}", f"CD{i}_{lon}", f"CD{i}_{lat}"):
            if keyword in cards:
                converted[keyword] = float(cards[keyword]) * UNITS[unit]
    return converted


def spelled(cards: Cards, spelling: str, rng: np.random.Generator) -> bytes:
    """Return a header with these values, in one of the spellings that files have."""
    zeros = int(rng.integers(2))
    latitude = next((key[5:] for key, value in cards.items() if "LAT" in str(value)), None)
    latitude = latitude or next(key[5:] for key, value in cards.items() if "DEC" in str(value))
    lines = []
    for keyword, value in cards.items():
        name, text = keyword, f"'{value:8}'" if isinstance(value, str) else repr(value).upper()
        if spelling == "old keywords":
            name = _old_keyword(keyword, latitude, zeros)
        if spelling == "D exponents" and isinstance(value, float):
            text = f"{value:.16E}".replace("E", "D")
        line = f"{name:8}= {text:>20} / a comment with '= 1.0'"
        if spelling == "free format":
            number = text if isinstance(value, str) else text.replace("E", "E ")
            lower = text if isinstance(value, str) else text.lower()
            forms = (
                f"{name:8}= {text}", f"{name:8}=     {text}/no blank", f"{name.lower():8}= {text}",
                f"{name}= {text} / early", f"{name:8}= {lower}", f"{name:8}= {number}",
            )  # fmt: skip
            line = forms[rng.integers(len(forms))]
        lines.append(line)
    rng.shuffle(lines)
    return "".join(line.ljust(80)[:80] for line in [*lines, "END"]).encode()


def _old_keyword(keyword: str, latitude: str, zeros: int) -> str:
    """Return the name that a keyword had in drafts of the standard and before."""
    if keyword[:2] in ("PC", "CD") and keyword[2].isdigit():
        i, j = map(int, keyword[2:].split("_"))
        return f"{keyword[:2]}{i:02d}_{j:02d}" if zeros else f"{keyword[:2]}{i:03d}{j:03d}"
    if keyword.startswith(f"PV{latitude}_"):
        return f"PROJP{keyword.partition('_')[2]}"
    return {"RADESYS": "RADECSYS", "EQUINOX": "EPOCH"}.get(keyword, keyword)


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
        log.disabled = True  # astropy has a notice for SIP
        reference, note = _reference(case.standard)
        log.disabled = False
        if reference is None:
            return "both refuse" if ours is None else f"different: astropy refuses ({note})"
        if ours is None:
            return f"ours refuses: {refusal.partition(': ')[2].partition(' (')[0]}"
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

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ra, dec = ours.to_sky(x, y)
        pixels = np.array(ours.to_pixel(sky.ra.deg, sky.dec.deg))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both = back(np.append(sky.ra.deg, ra), np.append(sky.dec.deg, dec))
    expected, ours_back = both[:, :5], both[:, 5:]
    for got in (pixels, ours_back):
        if not np.allclose(got, expected, rtol=0, atol=TOLERANCE, equal_nan=True):
            return f"different: {np.nanmax(np.abs(got - expected)):.3g} pixels"
    return "equal" + note if np.isfinite(expected).any() else "equal (off the projection)" + note


def compare_apart(case: Case, seed: int) -> str:
    """Return the outcome for one header, found in a process of its own.

    astropy corrupts its memory with some headers of wcslib's own tests.
    """
    try:
        SkyWCS.from_header(case.header, path="x.fits")
        ours = "ours gives a position"
    except NoWCSError:
        ours = "ours refuses"
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writer, compare(case, seed).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        outcome = stream.read().decode()
    _, status = os.waitpid(child, 0)
    return f"astropy aborts, {ours}" if status else outcome


def _reference(header: bytes) -> tuple[tuple[WCS, BaseCoordinateFrame] | None, str]:
    """Return astropy's WCS of the two axes and its frame, and a note; None if astropy refuses."""
    text = header.decode("latin1")
    lines = [text[i : i + 80] for i in range(0, len(text), 80)]
    no_tables = [line for line in lines if line[:2] != "PS" and "-TAB" not in line]
    further = re.compile(r"(NAXIS|WCSAXES) |(NAXIS|C[A-Z]{4})[3-9] |(CD|PC)(\d_[3-9]|[3-9]_\d) ")
    two_axes = [line for line in lines if not further.match(line)]
    ways = (
        (lines, _whole, ""), (lines, _celestial, " (celestial axes only)"),
        (two_axes, _whole, " (the first two axes)"), (no_tables, _whole, " (without -TAB)"),
        (no_tables, _celestial, " (celestial axes only, without -TAB)"),
    )  # fmt: skip
    for cards, way, note in ways:
        try:
            wcs = way(fits.Header.fromstring("".join(cards)))
            wcs.wcs.set()
            if wcs.naxis != 2 or wcs.wcs.lng < 0:
                return None, "no celestial axes"
            return (wcs, wcs_to_celestial_frame(wcs)), note
        except Exception as error:  # noqa: BLE001 - whatever it is, astropy gives no position
            problem = f"{type(error).__name__}: {error}".splitlines()[-1]
    return None, problem


def _whole(header: fits.Header) -> WCS:
    return WCS(header).celestial


def _celestial(header: fits.Header) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs = WCS(header, _do_set=False).wcs.sub([WCSSUB_CELESTIAL])
    return wcs


def main() -> None:
    """Write the table of outcomes, and each header that has another position than astropy's."""
    counts: Counter[tuple[str, str]] = Counter()
    cases: list[tuple[Callable[[Case, int], str], Case]] = []
    for group in sys.argv[1:]:
        if group == "astropy":
            cases += [(compare_apart, case) for case in published()]
        elif group.isdigit():
            cases += [(compare, generated(seed)) for seed in range(int(group))]
        else:
            cases += [(compare_apart, case) for case in wcslib_headers(Path(group))]
    for number, (method, case) in enumerate(cases):
        outcome = method(case, number)
        counts[case.kind, outcome] += 1
        if outcome.startswith("different"):
            text = case.header.decode("latin1")
            lines = (f"    {text[i : i + 80].rstrip()}\n" for i in range(0, len(text), 80))
            sys.stdout.writelines([f"{case.kind} {number} {outcome}\n", *lines])
    for (kind, outcome), count in sorted(counts.items()):
        sys.stdout.write(f"{kind:28} {count:5}  {outcome}\n")


if __name__ == "__main__":
    main()
