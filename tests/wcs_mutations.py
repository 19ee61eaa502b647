"""Damaged headers, and a check that each gives a position or one clear line.

``python tests/wcs_mutations.py 20000`` reads so many of them, without a crash, another exception or
a warning, and writes how many gave a position.
"""

from __future__ import annotations

import random
import sys
import warnings

from mingolotss.errors import NoWCSError
from mingolotss.sky.wcs import SkyWCS
from wcs_headers import generated

__all__ = ["message", "mutated"]

KEYWORDS = (
    "CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CRPIX1", "CDELT1", "CDELT2", "CD1_1", "CD1_2",
    "PC1_1", "PC001002", "PC1_3", "PV1_0", "PV1_1", "PV2_1", "PV2_99", "PV1_7", "PROJP1",
    "PROJP9", "LONPOLE", "LATPOLE", "RADESYS", "RADECSYS", "EQUINOX", "EPOCH", "WCSAXES", "NAXIS",
    "NAXIS1", "NAXIS3", "A_ORDER", "B_ORDER", "AP_ORDER", "A_2_0", "B_0_2", "CNPIX1", "PPO3",
    "PLTDECSN", "AMDX1", "WAT1_001", "CUNIT1", "CUNIT2", "CPDIS1", "DP1", "CQDIS1", "BMAJ",
    "BMIN", "BPA", "CROTA2", "WAT2_001", "WAT1_002", "AXISCORR", "D2IMDIS1", "D2IM1",
    "CONTINUE", "HIERARCH", "END",
)  # fmt: skip
VALUES = (
    "'RA---TAN'", "'DEC--TAN-SIP'", "'RA---ZPN'", "'DEC--TPV'", "'RA---TPD'", "'abc'", "1e999",
    "-1D400", "1.0D-320", "NaN", "", "0", "-0.0", "1e300", "99999999999999999999", "T", "(1,2)",
    "'FK4'", "'FK5 '", "2000.", "'J2000'", "'deg'", "'rad'", "'arcsec&'", "'xx", "''", "'a''b'",
    "9", "2", "1", "\x00\x00", "'\xe4\xf6'", "'NAXES: 99999999'", "1 / 2 / 3", "1_000",
    "'GLON-CAR'", "'RA'", "'RA---XPH'", "'DEC--HPX'", "180.", "90.", "1e10",
    "'RA---TNX'", "'DEC--ZPX'", "'LOOKUP'", "'AXIS.1: 2'", "'EXTVER: 1e300'",
    """'wtype=tnx axtype=ra lngcor = "3. 2. 1. 1. -1 1 -1 1 1e-3 2e-3 "'""",
    """'wtype=zpx axtype=dec projp0=0. projp99=1. latcor="1. 9. 9. 1."'""",
)  # fmt: skip


def mutated(header: bytes, rng: random.Random) -> bytes:
    """Return a header with one to twenty faults: wrong bytes and cards, lost, moved or cut off."""
    raw = bytearray(header)
    for _ in range(rng.choice([1, 1, 2, 3, 6, 20])):
        start = 80 * rng.randrange(1 + len(raw) // 80)
        card = f"{rng.choice(KEYWORDS):8}= {rng.choice(VALUES)}".encode("latin1").ljust(80)[:80]
        place = rng.randrange(1 + len(raw))
        match rng.randrange(8):
            case 0:
                raw[place : place + 1] = rng.randbytes(1)
            case 1:
                raw[start:start] = card
            case 2:
                raw[start + 10 : start + 80] = card[10:]
            case 3:
                del raw[start : start + 80]
            case 4:
                raw[start : start + 80] = raw[:80]
            case 5:
                del raw[place:]
            case 6:
                raw[place:place] = rng.randbytes(rng.randrange(1, 5))
            case _:
                raw += card.lower()
    return bytes(raw)


def message(header: bytes) -> str:
    """Read a header and transform positions; return the message of its error, or nothing."""
    try:
        wcs = SkyWCS.from_header(header, path="x.fits")
        wcs.to_sky([0, 5, 1e9], [0, 5, 1e9])
        wcs.to_pixel([0, 180.0], [0, 89.0])
    except NoWCSError as error:
        return str(error)
    assert wcs.header.isascii()
    assert wcs.beam is None or len(wcs.beam) == 3
    return ""


def main() -> None:
    """Read mutated headers, and write how many of them gave a position."""
    warnings.simplefilter("error")
    positions = 0
    for seed in range(int(sys.argv[1])):
        text = message(mutated(generated(seed).header, random.Random(seed)))  # noqa: S311
        assert len(text) < 400, seed
        assert "\n" not in text, seed
        positions += not text
    sys.stdout.write(f"{positions}\n")


if __name__ == "__main__":
    main()
