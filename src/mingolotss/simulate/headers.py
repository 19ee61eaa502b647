"""The headers of simulated mosaics: those of LoTSS, and those of another observation."""

from __future__ import annotations

from astropy.io import fits

from mingolotss.simulate.layout import Field
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.observation import Observation
from mingolotss.simulate.visible import CATALOGUE_MHZ
from mingolotss.sky.header_facts import SIMULATED, SIMULATED_ORIGIN

__all__ = ["lotss_header", "observation_header"]


def lotss_header(model: SkyModel, field: Field) -> fits.Header:
    """Return a header like those of LoTSS."""
    beam = (model.beam_arcsec, model.beam_arcsec, 90.0)
    header = _grid_header(field, (0, 0))
    header.extend(_radio_cards(beam, CATALOGUE_MHZ))
    header.append(("TELESCOP", SIMULATED, "LOFAR is imitated"))
    header.append(("OBSERVER", SIMULATED, "LoTSS is imitated"))
    header.extend([("BUNIT", "JY/BEAM", ""), ("BTYPE", "Intensity", "")])
    header.extend(_name_cards(field))
    return header


def observation_header(observation: Observation, field: Field) -> fits.Header:
    """Return the header of a mosaic of an observation."""
    header = _grid_header(field, observation.shift_px)
    if observation.is_optical:
        header.extend([("FILTER", "r", ""), ("TELESCOP", SIMULATED, "")])
        header.extend([("BUNIT", "nanomaggy", "")])
    else:
        beam = (observation.beam_major_arcsec, observation.minor_arcsec, observation.beam_pa_deg)
        header.extend(_radio_cards(beam, observation.frequency_mhz))
        header.append(("TELESCOP", SIMULATED, ""))
        header.extend([("BUNIT", "JY/BEAM", ""), ("BTYPE", "Intensity", "")])
    header.extend(_name_cards(field))
    return header


def _grid_header(field: Field, shift_px: tuple[int, int]) -> fits.Header:
    """Return the cards of the WCS."""
    middle, step = field.side // 2 + 1.0, field.pixel_arcsec / 3600
    cards: list[tuple[str, object, str]] = [
        ("WCSAXES", 2, "Number of coordinate axes"),
        ("CRPIX1", middle - shift_px[0], "Pixel coordinate of reference point"),
        ("CRPIX2", middle - shift_px[1], "Pixel coordinate of reference point"),
        ("CDELT1", -step, "[deg] Coordinate increment at reference point"),
        ("CDELT2", step, "[deg] Coordinate increment at reference point"),
        ("CUNIT1", "deg", "Units of coordinate increment and value"),
        ("CUNIT2", "deg", "Units of coordinate increment and value"),
        ("CTYPE1", "RA---SIN", "Right ascension, orthographic/synthesis project"),
        ("CTYPE2", "DEC--SIN", "Declination, orthographic/synthesis projection"),
        ("CRVAL1", field.ra, "[deg] Coordinate value at reference point"),
        ("CRVAL2", field.dec, "[deg] Coordinate value at reference point"),
        ("LONPOLE", 180.0, "[deg] Native longitude of celestial pole"),
        ("LATPOLE", field.dec, "[deg] Native latitude of celestial pole"),
        ("RADESYS", "ICRS", "Equatorial coordinate system"),
        ("EQUINOX", 2000.0, ""),
    ]
    return fits.Header(cards)


def _radio_cards(
    beam: tuple[float, float, float], frequency_mhz: float
) -> list[tuple[str, object, str]]:
    """Return the cards of beam (arcsec, arcsec, deg) and frequency."""
    major, minor, pa_deg = beam
    return [
        ("BMAJ", major / 3600, "[deg]"),
        ("BMIN", minor / 3600, "[deg]"),
        ("BPA", pa_deg, "[deg]"),
        ("RESTFRQ", round(frequency_mhz * 1e6, 3), "[Hz] Line rest frequency"),
    ]


def _name_cards(field: Field) -> list[tuple[str, object, str]]:
    return [("OBJECT", field.name, ""), ("ORIGIN", SIMULATED_ORIGIN, "")]
