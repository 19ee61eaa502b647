"""From a catalogue of radio sources and survey images to a machine-learning dataset.

Build: `build`, or step by step `plan`, `fetch` and `run`; `make_stamp` for one source; `threads`,
`processes` and `cluster` give the executors; `recipes`, `services` and `classes` list what there
is. Load: `load` for numpy, `MingoLoTSS` and `MLFR` for PyTorch, `ShuffledTiles` to
stream a dataset that is larger than the memory, `MingoSequence` for Keras; and
`MiraBest`, `MBFRConfident`, `FRDEEPF`... for other published datasets.
Look and check: `plot`, `status`, `report`, `review`, `verify`, `compare`, `audit`, `suspects`.
Pass on: `export`, and `deposit` for an archive.

>>> import mingolotss
>>> recipe = mingolotss.load_recipe("mingolotss")
>>> recipe.title, recipe.stamp.pixels
('MingoLoTSS', 150)

Every public name is here; the modules of the package are not a public interface, except
`mingolotss.errors`, `mingolotss.testing` and `mingolotss.simulate`. Names are imported when they
are first used, so that the import of the package costs nothing and needs no optional library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__: str  # of the installed package, as its build took it from the tag of the repository

if TYPE_CHECKING:
    from mingolotss.candidates.decisions import Decision
    from mingolotss.catalogue.catalogue import Catalogue
    from mingolotss.catalogue.reading import read_catalogue
    from mingolotss.dataset.calibration import stamp_flux, stamp_wcs
    from mingolotss.demonstration import demo
    from mingolotss.errors import MingoError
    from mingolotss.loaders.arrays import load
    from mingolotss.loaders.frdeep import FRDEEPF, FRDEEPN
    from mingolotss.loaders.keras import MingoSequence
    from mingolotss.loaders.mirabest import (
        MBFRConfident,
        MBFRFull,
        MBFRUncertain,
        MBHybrid,
        MiraBest,
        MiraBestConfident,
        MiraBestFRI,
        MiraBestFRII,
        MiraBestHybrid,
        MiraBestUncertain,
    )
    from mingolotss.loaders.plotting import plot
    from mingolotss.loaders.shuffled_tiles import ShuffledTiles
    from mingolotss.loaders.torch import MLFR, MingoLoTSS
    from mingolotss.model import Candidate, Cutout, Source
    from mingolotss.pipeline.build_plan import Plan
    from mingolotss.pipeline.executors.dask import cluster
    from mingolotss.pipeline.executors.local import processes, threads
    from mingolotss.pipeline.exporting import export
    from mingolotss.pipeline.plan import plan
    from mingolotss.pipeline.run import Build, build, fetch, run
    from mingolotss.pipeline.stamps import make_stamp
    from mingolotss.qa.agreement.measure import agreement
    from mingolotss.qa.audit.run import audit
    from mingolotss.qa.compare import compare
    from mingolotss.qa.report.page import report
    from mingolotss.qa.review.server import review
    from mingolotss.qa.status import status
    from mingolotss.qa.suspects.run import suspects
    from mingolotss.qa.verify import verify
    from mingolotss.qa.verify_published import verify_published
    from mingolotss.qa.zooniverse.judgements import zooniverse_import
    from mingolotss.qa.zooniverse.subjects import zooniverse_export
    from mingolotss.recipe.classes import classes
    from mingolotss.recipe.hats_settings import HatsSettings
    from mingolotss.recipe.load import load_recipe, recipes
    from mingolotss.recipe.model import Recipe
    from mingolotss.recipe.steps import Scaling, Stack, step
    from mingolotss.release.deposit import Deposit, deposit
    from mingolotss.service import services
    from mingolotss.service.base import ImageService, open_service

_MODULES = {
    "Build": "pipeline.run",
    "Candidate": "model",
    "Catalogue": "catalogue.catalogue",
    "Cutout": "model",
    "Decision": "candidates.decisions",
    "Deposit": "release.deposit",
    "FRDEEPF": "loaders.frdeep",
    "FRDEEPN": "loaders.frdeep",
    "HatsSettings": "recipe.hats_settings",
    "ImageService": "service.base",
    "MBFRConfident": "loaders.mirabest",
    "MBFRFull": "loaders.mirabest",
    "MBFRUncertain": "loaders.mirabest",
    "MBHybrid": "loaders.mirabest",
    "MLFR": "loaders.torch",
    "MingoError": "errors",
    "MingoLoTSS": "loaders.torch",
    "MingoSequence": "loaders.keras",
    "MiraBest": "loaders.mirabest",
    "MiraBestConfident": "loaders.mirabest",
    "MiraBestFRI": "loaders.mirabest",
    "MiraBestFRII": "loaders.mirabest",
    "MiraBestHybrid": "loaders.mirabest",
    "MiraBestUncertain": "loaders.mirabest",
    "Plan": "pipeline.build_plan",
    "Recipe": "recipe.model",
    "Scaling": "recipe.steps",
    "ShuffledTiles": "loaders.shuffled_tiles",
    "Source": "model",
    "Stack": "recipe.steps",
    "agreement": "qa.agreement.measure",
    "audit": "qa.audit.run",
    "build": "pipeline.run",
    "classes": "recipe.classes",
    "cluster": "pipeline.executors.dask",
    "compare": "qa.compare",
    "demo": "demonstration",
    "deposit": "release.deposit",
    "export": "pipeline.exporting",
    "fetch": "pipeline.run",
    "load": "loaders.arrays",
    "load_recipe": "recipe.load",
    "make_stamp": "pipeline.stamps",
    "open_service": "service.base",
    "plan": "pipeline.plan",
    "plot": "loaders.plotting",
    "processes": "pipeline.executors.local",
    "read_catalogue": "catalogue.reading",
    "recipes": "recipe.load",
    "report": "qa.report.page",
    "review": "qa.review.server",
    "run": "pipeline.run",
    "services": "service",
    "stamp_flux": "dataset.calibration",
    "stamp_wcs": "dataset.calibration",
    "status": "qa.status",
    "step": "recipe.steps",
    "suspects": "qa.suspects.run",
    "threads": "pipeline.executors.local",
    "verify": "qa.verify",
    "verify_published": "qa.verify_published",
    "zooniverse_export": "qa.zooniverse.subjects",
    "zooniverse_import": "qa.zooniverse.judgements",
}

__all__ = [
    "FRDEEPF",
    "FRDEEPN",
    "MLFR",
    "Build",
    "Candidate",
    "Catalogue",
    "Cutout",
    "Decision",
    "Deposit",
    "HatsSettings",
    "ImageService",
    "MBFRConfident",
    "MBFRFull",
    "MBFRUncertain",
    "MBHybrid",
    "MingoError",
    "MingoLoTSS",
    "MingoSequence",
    "MiraBest",
    "MiraBestConfident",
    "MiraBestFRI",
    "MiraBestFRII",
    "MiraBestHybrid",
    "MiraBestUncertain",
    "Plan",
    "Recipe",
    "Scaling",
    "ShuffledTiles",
    "Source",
    "Stack",
    "agreement",
    "audit",
    "build",
    "classes",
    "cluster",
    "compare",
    "demo",
    "deposit",
    "export",
    "fetch",
    "load",
    "load_recipe",
    "make_stamp",
    "open_service",
    "plan",
    "plot",
    "processes",
    "read_catalogue",
    "recipes",
    "report",
    "review",
    "run",
    "services",
    "stamp_flux",
    "stamp_wcs",
    "status",
    "step",
    "suspects",
    "threads",
    "verify",
    "verify_published",
    "zooniverse_export",
    "zooniverse_import",
]


def __getattr__(name: str) -> object:
    value: object
    if name == "__version__":
        value = _installed_version()
    elif name in _MODULES:
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _installed_version() -> str:
    metadata = import_module("importlib.metadata")
    try:
        version: str = metadata.version(__name__)
    except metadata.PackageNotFoundError:  # the sources are on the path, and are not installed
        return "0+not.installed"
    return version


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
