"""The tables of a build: the columns of the manifest and of the candidates.

The manifest has one row for each row of the catalogue, written or rejected. The Parquet files of
the stamps have the same columns after the image (``stamps.py``). The page
``docs/reference/manifest.md`` documents the columns; the tests compare the two.

>>> MANIFEST.field("separation_arcsec").type
DataType(double)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from mingolotss.catalogue.label_vectors import LabelVectors
from mingolotss.catalogue.typed_columns import KEPT_MARK
from mingolotss.dataset.channel_table import MISSING_CHANNELS
from mingolotss.dataset.label_columns import (
    TAGS,
    VECTOR_COLUMNS,
    VOTES,
    VOTES_TOTAL,
    is_list,
    read_vectors,
)
from mingolotss.dataset.label_origins import LABEL_FROM
from mingolotss.dataset.layout import DatasetFolder
from mingolotss.dataset.masks import MASK, MASK_SHA256
from mingolotss.errors import CatalogueError, DatasetError
from mingolotss.io.arrow_values import equals, filter_rows
from mingolotss.io.parquet import open_dataset, read_open_table

if TYPE_CHECKING:  # readers of other formats than builds need no recipe, and no pydantic
    from mingolotss.recipe.model import Recipe

__all__ = [
    "CANDIDATES",
    "CANDIDATE_CHANNEL",
    "INCOMPLETE_PERCENT",
    "KEPT_PREFIX",
    "LATER_COLUMNS",
    "MANIFEST",
    "MASK_COLUMNS",
    "RECIPE_COLUMNS",
    "REPEATED_COLUMNS",
    "STAMP_BEAM_COLUMNS",
    "STAMP_GRID_COLUMNS",
    "UNCOMPRESSED_COLUMNS",
    "candidate_schema",
    "candidates_of_channel",
    "catalogue_columns",
    "further_fields",
    "kept_fields",
    "kept_unit",
    "name_kept_columns",
    "read_manifest",
    "read_rows",
    "recipe_columns",
    "vectors_of_rows",
    "written_rows",
]

_TEXT, _REAL, _FLAG = pa.string(), pa.float64(), pa.bool_()

MANIFEST = pa.schema(
    [
        ("row", pa.int64()),  # of the catalogue, from 0
        ("source", _TEXT),
        ("ra", _REAL),  # deg, ICRS
        ("dec", _REAL),  # deg, ICRS
        ("label", pa.int16()),  # null in an unlabelled dataset
        ("class", _TEXT),
        ("size_arcsec", _REAL),
        ("flux_mjy", _REAL),
        ("status", _TEXT),  # written or rejected
        ("field", _TEXT),
        ("map_file", _TEXT),
        ("image_file", _TEXT),
        ("case", pa.int8()),  # 0: one candidate; 1 to 4: the rule that chose
        ("separation_arcsec", _REAL),
        ("percent_nan", _REAL),  # of the stamp
        ("candidates", pa.int16()),  # on offer, usable or not
        ("recentred", _FLAG),
        ("blank", _FLAG),
        ("undecided", _FLAG),
        ("exceeds_stamp", _FLAG),
        ("incomplete", _FLAG),  # more than INCOMPLETE_PERCENT of the stamp have no data
        ("decided_by", _TEXT),
        ("noise_jy", _REAL),  # median under the stamp, Jy/beam
        ("peak_jy", _REAL),  # brightest pixel of the stamp, Jy/beam
        ("pixel_scale_arcsec", _REAL),
        ("batch", _TEXT),
        ("split", _TEXT),  # null for a source that is in no split
        ("stage", _TEXT),  # of a rejection: search, fetch, validate, choose or stamp
        ("reason", _TEXT),
        ("pixels_sha256", _TEXT),  # of the stamp's bytes, C order
        ("percent_nan_cutout", _REAL),
        ("noise_method", _TEXT),
        ("unit", _TEXT),  # of the image, from its header, as the next six
        ("frequency_mhz", _REAL),
        ("beam_major_arcsec", _REAL),  # FWHM
        ("beam_minor_arcsec", _REAL),
        ("beam_pa_deg", _REAL),  # east of north
        ("telescope", _TEXT),
        ("survey", _TEXT),
        ("wcs", _TEXT),  # cards of the stamp's WCS without CRPIX, one a line
        ("crpix1", _REAL),  # px from 1, of the stamp
        ("crpix2", _REAL),
        ("wcs_error_arcsec", _REAL),  # 0 where the cards are those of the image
        ("scaling", _TEXT),  # none, linear or asinh; null if it is not known
        ("scale_min", _REAL),  # in `unit`: the brightness of 0, or of grey 0
        ("scale_max", _REAL),  # the brightness of 1, or of grey 255
        ("scale_rms", _REAL),  # of the scaling asinh
    ]
)
LATER_COLUMNS = frozenset(MANIFEST.names[MANIFEST.names.index("percent_nan_cutout") :]) | {
    "incomplete"
}
"""Columns that builds of older versions do not have. They are read as null."""
INCOMPLETE_PERCENT = 10.0
"""A stamp of which more than this has no data is flagged ``incomplete``, %."""

RECIPE_COLUMNS = pa.schema(
    [
        MISSING_CHANNELS,
        ("stamp_beam_major_arcsec", _REAL),  # FWHM, after the convolution to a common beam
        ("stamp_beam_minor_arcsec", _REAL),
        ("stamp_beam_pa_deg", _REAL),
        ("stamp_size_arcsec", _REAL),  # side of the stamp on the sky
        ("rotation_deg", _REAL),  # position angle of the direction that is up
        ("resampling", _TEXT),  # none, adaptive or exact
        TAGS,  # the numbers of the tags
        VOTES,  # the fraction of each class
        VOTES_TOTAL,
        LABEL_FROM,  # the catalogue, or people and their rule
        ("mask_pixels", pa.int32()),  # of the source
        ("other_pixels", pa.int32()),  # of other sources
        ("las_arcsec", _REAL),  # largest angular size, without the beam
        ("mask_flux_mjy", _REAL),
        ("core_distance_arcsec", _REAL),  # from the position to the brightest part
        ("mask_from", _TEXT),  # null: no component belongs to the source
        MASK_SHA256,  # of the pixels of the mask
    ]
)
"""Further columns of a manifest, each only where the recipe has what it describes."""

STAMP_GRID_COLUMNS = ("stamp_size_arcsec", "rotation_deg", "resampling")
MASK_COLUMNS = (
    "mask_pixels", "other_pixels", "las_arcsec", "mask_flux_mjy", "core_distance_arcsec",
    "mask_from", MASK_SHA256.name,
)  # fmt: skip
STAMP_BEAM_COLUMNS = ("stamp_beam_major_arcsec", "stamp_beam_minor_arcsec", "stamp_beam_pa_deg")

CANDIDATES = pa.schema(
    [
        ("row", pa.int64()),
        ("source", _TEXT),
        ("field", _TEXT),
        ("image", _TEXT),  # address
        ("rms", _TEXT),  # address, "" if there is none
        ("image_sha256", _TEXT),
        ("rms_sha256", _TEXT),
        ("ny", pa.int32()),
        ("nx", pa.int32()),
        ("pixel_scale_arcsec", _REAL),
        ("separation_arcsec", _REAL),
        ("percent_nan", _REAL),
        ("verdict", _TEXT),  # chosen, not chosen, or why it cannot be used; null before a run
    ]
)

CANDIDATE_CHANNEL = pa.field("channel", _TEXT)
"""A further column of the candidates, where the recipe has channels: the name of the channel."""


def candidate_schema(*, has_channels: bool) -> pa.Schema:
    """Return the columns of the table of candidates."""
    return pa.schema([*CANDIDATES, CANDIDATE_CHANNEL]) if has_channels else CANDIDATES


def candidates_of_channel(table: pa.Table, channel: str | None) -> pa.Table:
    """Return the candidates of one channel; all, if `channel` is None: there are no channels."""
    if channel is None:
        return table
    return filter_rows(table, equals(table[CANDIDATE_CHANNEL.name], channel))


def written_rows(table: pa.Table) -> pa.Table:
    """Return the rows of the sources that have an image; the others were rejected."""
    return filter_rows(table, equals(table["status"], "written"))


# Columns with few different values, written with a dictionary.
REPEATED_COLUMNS = (
    "class", "status", "field", "map_file", "batch", "split", "stage", "reason", "decided_by",
    "image", "rms", "verdict", "noise_method", "unit", "frequency_mhz", "beam_major_arcsec",
    "beam_minor_arcsec", "beam_pa_deg", "telescope", "survey", "wcs", "wcs_error_arcsec", "scaling",
    "scale_rms", "percent_nan_cutout", "channel", "label_from",
)  # fmt: skip

UNCOMPRESSED_COLUMNS = (
    "noise_method", "unit", "frequency_mhz", "beam_major_arcsec", "beam_minor_arcsec",
    "beam_pa_deg", "telescope", "survey", "wcs_error_arcsec", "scaling", "scale_rms",
    "percent_nan_cutout", "crpix1", "crpix2", "scale_min", "scale_max",
)  # fmt: skip
"""Columns that compression makes no smaller: of few values, or of floats that all differ."""

_RESERVED = {"image", "pixels", "images", "labels", "offers", "classes"}
KEPT_PREFIX = "catalogue_"
"""Begins the name of a column of the catalogue that another column of the manifest has."""


def kept_fields(schema: pa.Schema) -> list[pa.Field]:
    """Return the columns of a manifest or of stamps that are kept from the catalogue."""
    return [
        field
        for field in schema
        if field.name not in MANIFEST.names
        and KEPT_MARK.items() <= (field.metadata or {}).items()
        and not pa.types.is_nested(field.type)
    ]


def further_fields(schema: pa.Schema) -> list[pa.Field]:
    """Return the columns of a manifest or of stamps that are not those of `MANIFEST`.

    First those of `RECIPE_COLUMNS`, then those that are kept from the catalogue.
    """
    kept = kept_fields(schema)
    names = {field.name for field in kept}
    own = [field for field in RECIPE_COLUMNS if field.name in schema.names]
    own = [field for field in own if field.name not in names and _fits(schema, field)]
    # The metadata of tags and votes name the classes.
    return [field.with_metadata(schema.field(field.name).metadata) for field in own] + kept


def vectors_of_rows(table: pa.Table, n_classes: int) -> LabelVectors | None:
    """Return the tags or votes of rows of a manifest; None for a dataset of single classes.

    A column of this name that the catalogue had is not theirs.

    Raises
    ------
    DatasetError
        They do not fit the names of the classes.
    """
    fields = {field.name for field in further_fields(table.schema)}
    if not fields.intersection(VECTOR_COLUMNS.names):
        return None
    return read_vectors(table, n_classes)


def _fits(schema: pa.Schema, field: pa.Field) -> bool:
    """Return whether the column of a file can be this one, and not another program's."""
    kind = schema.field(field.name).type
    if field.name not in VECTOR_COLUMNS.names or not pa.types.is_nested(field.type):
        return True
    is_number = pa.types.is_integer if field.name == TAGS.name else pa.types.is_floating
    return is_list(kind) and bool(is_number(kind.value_type))


def recipe_columns(recipe: Recipe) -> list[str]:
    """Return the names of those columns of `RECIPE_COLUMNS` that a manifest has."""
    has_grids = bool(recipe.stamp.resampling)
    names = {
        *(STAMP_BEAM_COLUMNS if recipe.beam.common or has_grids else ()),
        *(STAMP_GRID_COLUMNS if has_grids else ()),
        *(MASK_COLUMNS if recipe.mask.makes_masks else ()),
    }
    names |= {MISSING_CHANNELS.name} if recipe.channels else set()
    names |= {TAGS.name} if recipe.label_kind == "tags" else set()
    names |= {VOTES.name, VOTES_TOTAL.name} if recipe.label_kind == "votes" else set()
    names |= {LABEL_FROM.name} if recipe.judgements.are_used else set()
    return [name for name in RECIPE_COLUMNS.names if name in names]


def kept_unit(field: pa.Field) -> str:
    """Return the unit of a column that is kept from the catalogue; "" if it has none."""
    metadata = field.metadata or {}
    return str(metadata.get(b"unit", b"").decode("utf-8", "replace"))


def catalogue_columns(table: pa.Table) -> pa.Table:
    """Return the columns that are kept from the catalogue under their names in the catalogue."""
    fields = kept_fields(table.schema)
    taken = {name.lower() for name in table.column_names}
    names = []
    for field in fields:
        stripped = field.name.removeprefix(KEPT_PREFIX)
        names.append(stripped if stripped.lower() in taken else field.name)
    schema = pa.schema([field.with_name(name) for field, name in zip(fields, names, strict=True)])
    columns = [table[field.name].combine_chunks() for field in fields]
    return pa.Table.from_arrays(columns, schema=schema)


def name_kept_columns(kept: pa.Table, further: Sequence[str] = ()) -> pa.Table:
    """Return the kept columns of a catalogue under their names in the manifest.

    A column with the name of another column of the manifest, in any case of the letters, gets the
    prefix ``catalogue_``.

    Parameters
    ----------
    kept : pyarrow.Table
    further : sequence of str
        The names of the columns beyond `MANIFEST` that this manifest has.

    Raises
    ------
    CatalogueError
        Two columns would have one name.
    """
    taken = {name.lower() for name in (*MANIFEST.names, *further)} | _RESERVED
    taken |= {MASK.name} if MASK_SHA256.name in further else set()
    names = [
        f"{KEPT_PREFIX}{name}" if name.lower() in taken else name for name in kept.column_names
    ]
    lower = [name.lower() for name in names]
    for index, name in enumerate(lower):
        if name in lower[:index]:
            first, second = kept.column_names[lower.index(name)], kept.column_names[index]
            raise CatalogueError(
                f"keep columns of the catalogue: {first!r} and {second!r} would both be the column "
                f"{name!r} of the manifest; leave one of them out of catalogue.keep"
            )
    return kept.rename_columns(names)


_NEVER_NULL = ("row", "source", "status")


def read_manifest(folder: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the manifest of a build or of an export.

    Parameters
    ----------
    folder : Path
    columns : sequence of str, optional
        All columns by default.

    Returns
    -------
    pyarrow.Table
        With nulls in those of `LATER_COLUMNS` that an older version did not write.

    Raises
    ------
    DatasetError
        It is missing or damaged, or lacks a column or has one of another type.
    """
    path = DatasetFolder(folder).manifest
    table = read_rows(path, columns)
    for name in _NEVER_NULL:
        if name in table.column_names and table[name].null_count:
            raise DatasetError(
                f"read {path}: the column {name} has rows without a value; build it again"
            )
    return table


def read_rows(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a file with the columns of the manifest: a manifest, or the table of a part.

    Parameters and result are those of `read_manifest`.

    Raises
    ------
    DatasetError
        It is missing or damaged, or lacks a column or has one of another type.
    """
    names = [*MANIFEST.names] if columns is None else [*columns]
    with open_dataset(path) as file:
        schema = file.schema_arrow
        stored = set(schema.names)
        missing = [name for name in names if name not in stored]
        absent = LATER_COLUMNS.intersection(missing)
        if lost := [name for name in missing if name not in absent]:
            raise DatasetError(
                f"read {path}: it has no column {', '.join(lost)}; fetch or build it again"
            )
        present = columns if columns is None else [name for name in names if name not in absent]
        known = [*MANIFEST, *(field for field in further_fields(schema) if field in RECIPE_COLUMNS)]
        table = read_open_table(file, path, present, schema=pa.schema(known))
    for name in names:
        if name in absent:
            field = MANIFEST.field(name)
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table
