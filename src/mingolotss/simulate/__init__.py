"""A simulated radio sky: mosaics like those of LoTSS, and the catalogue of their sources.

>>> SkyModel(sources=30).field_count
2
"""

from mingolotss.simulate.draw import draw_source
from mingolotss.simulate.edges import EDGE_CASES
from mingolotss.simulate.folder import SkyFolder
from mingolotss.simulate.model import SkyModel
from mingolotss.simulate.observation import OBSERVATIONS, Observation
from mingolotss.simulate.truth import SkyTruth
from mingolotss.simulate.write import write_sky

__all__ = [
    "EDGE_CASES",
    "OBSERVATIONS",
    "Observation",
    "SkyFolder",
    "SkyModel",
    "SkyTruth",
    "draw_source",
    "write_sky",
]
