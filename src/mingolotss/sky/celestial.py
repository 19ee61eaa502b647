"""Build the celestial part of a WCS from the cards of a header.

`celestial_wcs` gives wcslib the values of the two celestial axes directly, which takes 10 µs where
`astropy.wcs.WCS` takes 850 (2 cores, median). That class is used for what wcslib alone cannot do:
SIP (Shupe et al. 2005, ASP Conf. Ser. 347, 491), lookup tables, the polynomials of IRAF (TNX, ZPX)
and those that SCAMP wrote before 2012, the plate solutions of the Digitized Sky Survey, and units
other than degrees. It gets a header that is written here from the values, so that no card of a file
reaches the parser of wcslib.

>>> from mingolotss.sky.wcs_cards import read_wcs_cards
>>> header = b"CTYPE1  = 'DEC--NCP'".ljust(80) + b"CTYPE3  = 'RA---NCP'".ljust(80)
>>> prm = celestial_wcs(read_wcs_cards(header + b"CRVAL1  = 6.D+01".ljust(80))).prm
>>> list(prm.ctype), prm.crval.tolist(), prm.lat
(['DEC--SIN', 'RA---SIN'], [60.0, 0.0], 0)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from mingolotss.foreign import mute_warnings
from mingolotss.sky.angles import Floats
from mingolotss.sky.compiled_libraries import wcslib
from mingolotss.sky.fits_header import CARD, format_card, join_cards
from mingolotss.sky.iraf_polynomials import read_iraf_polynomials
from mingolotss.sky.lookup_tables import LookupTables, TableUse, set_tables, table_uses
from mingolotss.sky.similar_headers import MAX_KINDS, split_header
from mingolotss.sky.wcs_cards import (
    PLATE_KEYWORDS,
    CardError,
    Unreadable,
    WCSCards,
    are_usual_cards,
    read_number,
    read_wcs_cards,
)

if TYPE_CHECKING:
    from astropy.wcs import WCS, Wcsprm

__all__ = [
    "CelestialWCS",
    "Transform",
    "celestial_wcs",
    "has_wcs",
    "similar_celestial_wcs",
    "write_value",
]

Values = dict[str, float | str]
_WCSLIB = wcslib()  # a millisecond, once in the server of the workers

# With the code of a projection, or without for linear axes.
_LONGITUDE = re.compile(r"(?:RA--|.LON|..LN)-[A-Z0-9]{3}|(?:RA|.LON|..LN) *$")
_LATITUDE = re.compile(r"(?:DEC-|.LAT|..LT)-[A-Z0-9]{3}|(?:DEC|.LAT|..LT) *$")
_NAME_AND_INDICES = re.compile(r"([A-Z]+)(\d+)(?:_(\d+))?")
_MAX_AXES = 32  # of wcslib
_SIP_ORDERS = {"A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER"}
_MAX_SIP_ORDER = 9  # the keywords A_p_q have one digit for each power
_SIP_TERM = re.compile(r"[AB]P?_\d_\d")
_FIRST_SCAMP_TERM = 5  # the parameters of TAN itself have the numbers 0 to 4
_LAST_DIGIT = 29  # of a number in the fixed format (FITS standard 4.0, section 4.2.4)
_CODE = slice(5, 8)  # of the projection in CTYPE
_NEED_MORE = {"TNX", "ZPX", "TAB"}  # polynomials in text, or a table in another HDU
_SUFFIX = slice(8, None)  # the code of a distortion
_MAX_TEXT = 68  # of a text on one card
_TEXT_OF_2000 = re.compile(r"' *J?2000(?:\.0*)? *'")  # widely used, though it must be a number
_FIRST_EQUINOX, _LAST_EQUINOX = 1750.0, 2200.0  # Bradley's catalogue is of 1755
_OF_AXIS = {"CTYPE", "CUNIT", "CRVAL", "CRPIX", "CDELT", "CROTA"}
_PLATE_TERM = re.compile(r"AMD[XY]\d+")
_PLATE_TERMS_NEEDED = {f"AMD{axis}{term}" for axis in "XY" for term in (1, 2, 3)}


class Transform(Protocol):
    """Transforms pixels to the native coordinates of a header and back."""

    def sky_to_pixel(self, world: Floats) -> Floats:
        """Return pixels from 0, shape (n, 2), of positions in deg in the order of the axes."""

    def pixel_to_sky(self, pixels: Floats) -> Floats:
        """Return positions in deg, shape (n, 2), in the order of the axes, of pixels from 0."""


class _Undistorted:
    """Transforms with wcslib alone."""

    def __init__(self, prm: Wcsprm) -> None:
        self._prm = prm

    def sky_to_pixel(self, world: Floats) -> Floats:
        return np.asarray(self._prm.s2p(world, 0)["pixcrd"]) if len(world) else world

    def pixel_to_sky(self, pixels: Floats) -> Floats:
        return np.asarray(self._prm.p2s(pixels, 0)["world"]) if len(pixels) else pixels


class _Linear(_Undistorted):
    """Transforms axes without a projection, with wcslib, which lets the latitude exceed 90 deg."""

    def pixel_to_sky(self, pixels: Floats) -> Floats:
        world = super().pixel_to_sky(pixels)
        world[np.abs(world[:, self._prm.lat]) > 90] = np.nan
        return world


class _Distorted:
    """Transforms with SIP and lookup tables, with astropy.wcs."""

    def __init__(self, wcs: WCS) -> None:
        self._wcs = wcs

    def sky_to_pixel(self, world: Floats) -> Floats:
        # The polynomials are inverted by iteration. It diverges far from the image, where they mean
        # nothing, and such a position has no pixel.
        if not len(world):
            return world
        from astropy.wcs import NoConvergence

        with mute_warnings():  # of positions off the projection
            try:
                return np.column_stack(self._wcs.all_world2pix(world[:, 0], world[:, 1], 0))
            except NoConvergence as error:
                pixels = np.array(error.best_solution)
                for indices in (error.divergent, error.slow_conv):
                    if indices is not None:
                        pixels[indices] = np.nan
                return pixels

    def pixel_to_sky(self, pixels: Floats) -> Floats:
        if not len(pixels):
            return pixels
        return np.column_stack(self._wcs.all_pix2world(pixels[:, 0], pixels[:, 1], 0))


def has_wcs(cards: WCSCards) -> bool:
    """Tell whether any card names an axis or belongs to a plate solution."""
    return any(keyword.startswith("CTYPE") or keyword in PLATE_KEYWORDS for keyword in cards.values)


class CelestialWCS(NamedTuple):
    """The celestial axes of a header.

    Attributes
    ----------
    prm : Wcsprm
    transform : Transform
    values : dict of str to (float or str)
        The cards that give the same axes in a header of two axes, by keyword.
    records : list of bytes
        Further cards, of polynomials.
    is_complete : bool
        Whether these cards say everything: they do not if there are tables in other HDUs.
    """

    prm: Wcsprm
    transform: Transform
    values: Values
    records: list[bytes]
    is_complete: bool


def celestial_wcs(cards: WCSCards, tables: LookupTables | None = None) -> CelestialWCS:
    """Return the parameters, the transformation and the cards of the two celestial axes.

    Parameters
    ----------
    cards : WCSCards
    tables : mapping of (str, float) to LookupTable, optional
        The tables of the file by name and version, as `table_uses` asks for them.

    Raises
    ------
    CardError
        The cards give no position on the sky, or one of them cannot be used.
    ValueError, astropy.wcs.WcsError
        wcslib refuses the values.
    """
    return _transformed(_describe(cards), tables)


def similar_celestial_wcs(header: bytes, tables: LookupTables | None = None) -> CelestialWCS | None:
    """Return what `celestial_wcs` returns for the cards of a header, from those of a similar one.

    None if that is not possible, because the header is unusual.
    """
    split = split_header(header)
    axes = _describe_rest(split.rest, split.starts) if split.starts else None
    if axes is None:
        return None
    own: Values = {}
    for start in split.starts:
        card = read_number(header[start : start + CARD])
        if card is None:
            return None
        own[card[0]] = card[1]
    return _transformed(axes._replace(values=axes.values | own), tables)


class _Axes(NamedTuple):
    """What the cards of a header say of its two celestial axes.

    Attributes
    ----------
    numbers : tuple of int
        The numbers of the axes in the header, ascending.
    values, records
        As in `CelestialWCS`.
    uses : list of TableUse
        The tables that they need.
    is_plain : bool
        Whether wcslib alone can transform them.
    """

    numbers: tuple[int, int]
    values: Values
    records: list[bytes]
    uses: list[TableUse]
    is_plain: bool


@lru_cache(maxsize=MAX_KINDS)
def _describe_rest(rest: bytes, starts: tuple[int, ...]) -> _Axes | None:
    """Describe the axes of similar headers, with 0 for the numbers of the cards at `starts`."""
    with_zeros = bytearray(rest)
    for start in starts:
        with_zeros[start + _LAST_DIGIT] = ord("0")
    header = bytes(with_zeros)
    if not are_usual_cards(header, starts):
        return None
    try:
        axes = _describe(read_wcs_cards(header))
    except CardError:
        return None
    return axes if axes.numbers == (1, 2) else None  # of others, the numbers would be renamed


def _transformed(axes: _Axes, tables: LookupTables | None) -> CelestialWCS:
    """Give the axes of a header to wcslib, or to astropy."""
    _, values, records, uses, is_plain = axes
    if not is_plain:
        prm, transform = _with_astropy(values, uses, tables, records)
        return CelestialWCS(prm, transform, values, records, is_complete=not uses)
    prm = _parameters(values)
    prm.fix()
    prm.set()
    is_linear = prm.lngtyp == prm.ctype[prm.lng]
    transform = _Linear(prm) if is_linear else _Undistorted(prm)
    return CelestialWCS(prm, transform, values, [], is_complete=True)


def _describe(cards: WCSCards) -> _Axes:
    """Return what cards say of the two celestial axes.

    Raises
    ------
    CardError
        They give no position on the sky, or one of them cannot be used.
    """
    for keyword in ("NAXIS", "WCSAXES"):
        number = cards.number(keyword, 2.0)
        if not 0 <= number <= _MAX_AXES:
            raise CardError(f"{keyword} is {number:g}; at most {_MAX_AXES} axes can be read")
    has_plate = not PLATE_KEYWORDS.isdisjoint(cards.values)
    longitude, latitude = (1, 2) if has_plate else _celestial_axes(cards)
    axes = (min(longitude, latitude), max(longitude, latitude))
    _require_image_axes(cards, axes)
    values = _two_axes(cards, axes, latitude)
    if has_plate or str(cards.values[f"CTYPE{longitude}"]).startswith("RA"):
        values |= _equatorial_system(cards)
    uses = table_uses(cards)
    if uses and axes != (1, 2):
        raise CardError(f"it has tables of distortions, but the sky is on the axes {axes}")
    if has_plate:
        values |= _plate(cards)
        return _Axes(axes, values, [], uses, is_plain=False)
    if _is_linear_scamp(values):
        raise CardError(
            "it has the linear terms of SCAMP (PV1_1, PV2_1) with TAN, which gives them another "
            "meaning; write TPV for TAN in CTYPE1 and CTYPE2"
        )
    records, parameters = _iraf_distortion(cards, values, axes)
    values |= parameters
    has_sip = not _SIP_ORDERS.isdisjoint(cards.values) and not _has_polynomial(values)
    if has_sip:
        if axes != (1, 2):
            raise CardError(f"it has SIP, but the sky is on the axes {axes[0]} and {axes[1]}")
        values |= _sip(cards, values)
    needs_more = has_sip or uses or records or _has_other_units(values) or _is_scamp(values)
    return _Axes(axes, values, records, uses, is_plain=not needs_more)


def _celestial_axes(cards: WCSCards) -> tuple[int, int]:
    """Return the numbers of the axes of longitude and latitude."""
    longitudes, latitudes = [], []
    for keyword, value in cards.values.items():
        if keyword.startswith("CTYPE") and isinstance(value, str):
            if _LONGITUDE.match(value):
                longitudes.append(int(keyword[5:]))
            elif _LATITUDE.match(value):
                latitudes.append(int(keyword[5:]))
            elif value == "CUBEFACE":
                raise CardError("it has six faces of a cube (CUBEFACE), which are not read")
    if len(longitudes) != 1 or len(latitudes) != 1:
        several = len(longitudes) > 1 or len(latitudes) > 1
        raise CardError(
            f"it gives no position on the sky ({'several' if several else 'no'} RA and DEC axes)"
        )
    return longitudes[0], latitudes[0]


def _require_image_axes(cards: WCSCards, axes: tuple[int, int]) -> None:
    """Refuse an image of something else than the sky, e.g. of a spectrum along a slit."""
    naxis = int(cards.number("NAXIS", 0.0))
    wide = [axis for axis in range(1, naxis + 1) if cards.number(f"NAXIS{axis}", 1.0) > 1]
    if len(wide) > 1 and tuple(wide[:2]) != axes:
        raise CardError(
            f"the image has the axes {wide[0]} and {wide[1]}, but the sky is on the axes "
            f"{axes[0]} and {axes[1]}"
        )


def _two_axes(cards: WCSCards, axes: tuple[int, int], latitude: int) -> Values:
    """Return the cards of the two celestial axes, under the numbers 1 and 2."""
    # The axes of a radio image without extent, FREQ and STOKES, are left out, since wcslib would
    # expect a coordinate for each of them. What remains is what `Wcsprm.sub` would give.
    place = {axes[0]: 1, axes[1]: 2}
    values: Values = {}
    for keyword in cards.values:
        name, first, second = _split_keyword(keyword)
        if name in _OF_AXIS and first in place:
            values[f"{name}{place[first]}"] = cards.value(keyword)
        elif name in ("PC", "CD"):
            if first in place and second in place:
                values[f"{name}{place[first]}_{place[second]}"] = cards.value(keyword)
            elif (first in place or second in place) and cards.value(keyword) != 0:
                raise CardError(f"{keyword} mixes the sky with another axis")
            else:  # one card of a matrix, of any axis, decides that this matrix counts
                values.setdefault(f"{name}1_1", float(name == "PC"))
        elif name == "PV" and first in place:
            values[f"PV{place[first]}_{second}"] = cards.value(keyword)
        elif name == "PROJP":  # the old name, when only the latitude axis had parameters
            values[f"PV{place[latitude]}_{first}"] = cards.value(keyword)
        elif name == "CQDIS" and first in place:
            raise CardError(f"its distortions are of a kind that is not read ({keyword})")
        elif name in ("LONPOLE", "LATPOLE"):
            values[name] = cards.value(keyword)
    return values


def _parameters(values: Values) -> Wcsprm:
    """Return the parameters of two axes in degrees without distortions."""

    def pair(name: str, default: float) -> list[float]:
        return [float(values.get(f"{name}{i}", default)) for i in (1, 2)]

    def matrix(name: str, diagonal: float) -> list[list[float]]:
        return [
            [float(values.get(f"{name}{i}_{j}", diagonal * (i == j))) for j in (1, 2)]
            for i in (1, 2)
        ]

    prm: Wcsprm = _WCSLIB.Wcsprm(naxis=2)
    prm.ctype = [str(values["CTYPE1"]), str(values["CTYPE2"])]
    prm.crpix, prm.crval, prm.cdelt = pair("CRPIX", 0.0), pair("CRVAL", 0.0), pair("CDELT", 1.0)
    # wcslib decides from the matrices that it gets: it does not use CD if there is PC, nor CROTA
    # if there is one of them.
    names = {_split_keyword(keyword)[0] for keyword in values}
    if "PC" in names:
        prm.pc = matrix("PC", 1.0)
    if "CD" in names:
        prm.cd = matrix("CD", 0.0)
    if "CROTA" in names:
        prm.crota = pair("CROTA", 0.0)
    if "PV" in names:
        prm.set_pv(_projection_parameters(values))
    for keyword in ("LONPOLE", "LATPOLE", "RADESYS", "EQUINOX"):
        if keyword in values:
            setattr(prm, keyword.lower(), values[keyword])
    return prm


def _projection_parameters(values: Values) -> list[tuple[int, int, float]]:
    """Return axis, number and value of each parameter of the projection."""
    parameters = []
    for keyword, value in values.items():
        if keyword.startswith("PV"):
            _, axis, number = _split_keyword(keyword)
            parameters.append((axis, number, float(value)))
    return parameters


def _equatorial_system(cards: WCSCards) -> Values:
    """Return the cards of the reference system of right ascension and declination."""
    values: Values = {}
    if "RADESYS" in cards.values:
        values["RADESYS"] = cards.value("RADESYS")
    keyword = "EQUINOX" if "EQUINOX" in cards.values else "EPOCH"
    written = cards.values.get(keyword)
    if isinstance(written, Unreadable) and _TEXT_OF_2000.search(written.card):
        written = None  # the equinox of ICRS, and of FK5 without this card
    if written is not None and values.get("RADESYS") != "ICRS":
        equinox = cards.number(keyword, 0.0)
        if not _FIRST_EQUINOX <= equinox <= _LAST_EQUINOX:
            raise CardError(f"{keyword} is {equinox:g}, which is no year of a catalogue")
        values["EQUINOX"] = equinox
    return values


def _has_other_units(values: Values) -> bool:
    return any(values.get(f"CUNIT{axis}", "") not in ("", "deg") for axis in (1, 2))


def _is_scamp(values: Values) -> bool:
    """Tell whether TAN has the parameters of TPV, as SCAMP wrote it before 2012."""
    return _is_tan(values) and any(
        number >= _FIRST_SCAMP_TERM for _, number, _ in _projection_parameters(values)
    )


def _is_linear_scamp(values: Values) -> bool:
    """Tell whether SCAMP fitted a polynomial of degree 1, which `_is_scamp` does not recognise."""
    # TAN has no parameters of the latitude, and those of the longitude move its reference point:
    # wcslib would place the image 90 deg away. SCAMP writes the linear terms of both axes, near 1.
    return (
        _is_tan(values)
        and not _is_scamp(values)
        and all(float(values.get(f"PV{axis}_1", 0.0)) != 0 for axis in (1, 2))
    )


def _is_tan(values: Values) -> bool:
    return all(str(values[f"CTYPE{axis}"]).endswith("-TAN") for axis in (1, 2))


def _has_polynomial(values: Values) -> bool:
    """Tell whether the projection has a polynomial of its own, which goes before SIP."""
    return _is_scamp(values) or all(str(values[f"CTYPE{axis}"]).endswith("-TPV") for axis in (1, 2))


def _sip(cards: WCSCards, values: Values) -> Values:
    """Return the cards of SIP, and CTYPE with its suffix, without which astropy prints a notice."""
    sip: Values = {}
    for keyword in cards.values:
        if keyword in _SIP_ORDERS:
            order = cards.number(keyword, 0.0)
            if order not in range(_MAX_SIP_ORDER + 1):
                raise CardError(f"{keyword} is {order:g}; SIP has orders up to {_MAX_SIP_ORDER}")
            sip[keyword] = int(order)
        elif _SIP_TERM.fullmatch(keyword):
            sip[keyword] = cards.value(keyword)
    for keyword in ("CTYPE1", "CTYPE2"):
        ctype = str(values[keyword])
        if ctype[_CODE] == "" or ctype[_SUFFIX] not in ("", "-SIP"):
            raise CardError(f"it has SIP with {keyword} = {ctype!r}")
        sip[keyword] = f"{ctype[: _SUFFIX.start]}-SIP"
    return sip


def _plate(cards: WCSCards) -> Values:
    """Return the cards of the plate solution of the Digitized Sky Survey."""
    plate = {
        keyword: cards.value(keyword)
        for keyword in cards.values
        if keyword in PLATE_KEYWORDS or _PLATE_TERM.fullmatch(keyword)
    }
    if missing := sorted((PLATE_KEYWORDS | _PLATE_TERMS_NEEDED) - plate.keys()):
        raise CardError(f"its plate solution ({next(iter(plate))}) has no {missing[0]}")
    return plate


def _iraf_distortion(
    cards: WCSCards, values: Values, axes: tuple[int, int]
) -> tuple[list[bytes], Values]:
    """Return the cards of the polynomials of IRAF, and the parameters of the projection."""
    polynomials = read_iraf_polynomials(cards)
    ctypes = [str(values[f"CTYPE{axis}"]) for axis in (1, 2)]
    if polynomials is None:
        if any(ctype[_CODE] in _NEED_MORE for ctype in ctypes):
            raise CardError(
                f"its projection ({ctypes[0]}, {ctypes[1]}) needs polynomials in WAT1_001 and "
                "WAT2_001, or a table, which are not there; convert it to TPV or SIP"
            )
        return [], {}
    wtype = polynomials[0].wtype
    is_zpx = any(ctype[_CODE] == "ZPX" for ctype in ctypes)
    if axes != (1, 2) or is_zpx is not (wtype == "zpx"):
        raise CardError(f"it has polynomials of {wtype} with {ctypes[0]} and {ctypes[1]}")
    records = []
    for axis, polynomial in enumerate(polynomials, 1):
        texts = (f"WAT-{wtype.upper()}", *polynomial.records)
        keywords = (f"CQDIS{axis}", *(f"DQ{axis}" for _ in polynomial.records))
        records += [
            format_card(keyword, write_value(text))
            for keyword, text in zip(keywords, texts, strict=True)
        ]
    # wcslib takes the parameters from the second axis, of which those of the first are a copy.
    parameters = polynomials[1].parameters
    return records, {f"PV2_{number}": value for number, value in parameters.items()}


def _with_astropy(
    values: Values,
    uses: list[TableUse],
    tables: LookupTables | None,
    records: Iterable[bytes] = (),
) -> tuple[Wcsprm, Transform]:
    from astropy.io import fits
    from astropy.wcs import WCS

    cards = [format_card(keyword, write_value(values[keyword])) for keyword in values]
    text = join_cards([*cards, *records])
    with mute_warnings():  # astropy reports what it corrects
        wcs = WCS(fits.Header.fromstring(text.decode())).celestial
        set_tables(wcs, uses, tables or {})
        wcs.wcs.set()
    return wcs.wcs, _Distorted(wcs) if wcs.has_distortion else _Undistorted(wcs.wcs)


def write_value(value: float | str) -> str:
    """Return a value as FITS writes it, with all digits."""
    if not isinstance(value, str):
        return repr(value).upper()
    quoted = value.replace("'", "''")
    if len(quoted) > _MAX_TEXT:
        raise CardError(f"a text of {len(value)} characters cannot be used ({value[:20]!r}...)")
    return f"'{quoted:8}'"


@lru_cache(maxsize=4096)
def _split_keyword(keyword: str) -> tuple[str, int, int]:
    """Return name and indices of a standard keyword, 0 for an index that it does not have."""
    match = _NAME_AND_INDICES.fullmatch(keyword)
    return (match[1], int(match[2]), int(match[3] or 0)) if match else (keyword, 0, 0)
