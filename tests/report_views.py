"""Builds as the report sees them, from columns instead of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.dataset.label_columns import vector_columns
from mingolotss.dataset.layout import BuildFolder
from mingolotss.dataset.manifest import MANIFEST
from mingolotss.dataset.provenance import Provenance
from mingolotss.qa.report.build_view import BuildView
from mingolotss.recipe.load import load_recipe


class Stamps:
    """A source in the middle of each stamp, as wide as the beam; grey 255 is its peak."""

    @staticmethod
    def pixels(rows: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        y, x = np.indices((150, 150)) - 75
        sigma_px = 6 / 1.5 / np.sqrt(8 * np.log(2))
        blob = np.exp(-(x**2 + y**2) / (2 * sigma_px**2))
        stamp = (255 * blob).astype(np.uint8)
        return ((int(row), stamp) for row in rows)


def make_view(
    folder: Path,
    count: int,
    classes: tuple[str, ...] = (),
    vectors: LabelVectors | None = None,
    **columns: object,
) -> BuildView:
    """Return a build of `count` sources with a stamp; `columns` replace those of the manifest.

    With `vectors` it is one of tags or votes.
    """
    rng = np.random.default_rng(count)
    labels = [row % len(classes) for row in range(count)] if classes else [None] * count
    if vectors is not None:
        labels = [None if label < 0 else label for label in vectors.single_labels().tolist()]
    values: dict[str, object] = {
        "row": np.arange(count),
        "source": [f"S{row}" for row in range(count)],
        "ra": 180 + rng.uniform(-5, 5, count), "dec": rng.uniform(40, 50, count),
        "label": labels,
        "class": [None if label is None else classes[label] for label in labels],
        "size_arcsec": rng.uniform(5, 300, count), "flux_mjy": rng.uniform(1, 100, count),
        "status": ["written"] * count, "field": ["P1"] * count,
        "image_file": [f"S{row}.png" for row in range(count)], "case": [0] * count,
        "separation_arcsec": rng.uniform(0, 2, count), "percent_nan": rng.uniform(0, 3, count),
        "candidates": [1] * count, "recentred": [False] * count, "blank": [False] * count,
        "undecided": [False] * count, "exceeds_stamp": [False] * count,
        "incomplete": [False] * count, "noise_jy": [1e-4] * count,
        "peak_jy": rng.uniform(1e-3, 0.1, count), "pixel_scale_arcsec": [1.5] * count,
        "split": ["train"] * count, "noise_method": ["rms-map"] * count,
        "unit": ["Jy/beam"] * count,
        "beam_major_arcsec": [6.0] * count, "beam_minor_arcsec": [6.0] * count,
        "scaling": ["linear"] * count, "scale_min": [0.0] * count,
        "scale_max": rng.uniform(1e-3, 0.1, count),
    }  # fmt: skip
    values |= columns
    table = pa.table(
        [pa.array(values.get(f.name, [None] * count), f.type, from_pandas=False) for f in MANIFEST],
        schema=MANIFEST,
    )
    for name, column in vector_columns(vectors).items() if vectors is not None else ():
        table = table.append_column(name, column)
    provenance = Provenance(
        load_recipe("mingolotss" if classes else "lotss"), "c.fits", "0" * 64, "mosaics:m", count,
        0, classes,
    )  # fmt: skip
    view = BuildView(BuildFolder(folder), provenance, table, folder / "decisions.csv")
    view.__dict__["vectors"] = vectors
    view.__dict__["stamps"] = Stamps()  # in the place of files
    return view
