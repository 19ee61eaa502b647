"""The settings of a recipe: everything that is particular to one dataset.

Every key is checked; an unknown one is an error that suggests the nearest. What is not here:
finding and reading the files (`mingolotss.recipe.load`).

>>> parse_recipe({"name": "mine", "noise": {"sigmma": 4}}, "mine.toml")
Traceback (most recent call last):
    ...
mingolotss.errors.RecipeError: read the recipe mine.toml: there is no key 'noise.sigmma': did you
mean 'sigma'? known here: method, otherwise, sigma, iterations, box
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Literal, get_args

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mingolotss.catalogue.label_vectors import LabelKind
from mingolotss.catalogue.labels import (
    ClassChanges,
    ClassRule,
    ColumnRules,
    FlagRules,
    MissingClass,
)
from mingolotss.catalogue.name_patterns import check_pattern
from mingolotss.catalogue.positions import POSITION_GROUPS, Frame
from mingolotss.catalogue.reading import ColumnNames, Rules
from mingolotss.catalogue.units import TARGETS, Quantity, find_unit
from mingolotss.catalogue.vector_rules import TagRules, VoteKind, VoteRules
from mingolotss.errors import CatalogueError, RecipeError
from mingolotss.io.png import PNG_CHANNELS
from mingolotss.recipe.batch_settings import RESERVED_NAMES, BatchSettings, PickleSettings
from mingolotss.recipe.beam_settings import BeamSettings
from mingolotss.recipe.channel_settings import MOST_CHANNELS, ChannelSettings
from mingolotss.recipe.image_settings import (
    ChooseSettings,
    ImageSettings,
    NoiseSettings,
    RecentreSettings,
)
from mingolotss.recipe.judgement_settings import JudgementSettings
from mingolotss.recipe.mask_settings import MaskSettings
from mingolotss.recipe.metadata import Metadata
from mingolotss.recipe.published_list import PublishedSettings
from mingolotss.recipe.settings import Settings, check_address
from mingolotss.recipe.stamp_settings import StampSettings, StepSettings
from mingolotss.recipe.steps import CLIP_SIGMA, MASK_STEPS, check_mask_steps, check_step
from mingolotss.registry import nearest

__all__ = [
    "DEFAULT_SPLIT",
    "FORMATS",
    "PUBLISHED_SPLIT",
    "RESERVED_NAMES",
    "BatchSettings",
    "BeamSettings",
    "CatalogueSettings",
    "ChannelSettings",
    "ChooseSettings",
    "ClassSettings",
    "ImageSettings",
    "JudgementSettings",
    "LabelSettings",
    "MaskSettings",
    "NoiseSettings",
    "PickleSettings",
    "PublishedSettings",
    "RecentreSettings",
    "Recipe",
    "SplitSettings",
    "StampSettings",
    "StepSettings",
    "parse_recipe",
]

Format = Literal["png", "csv", "batches", "parquet", "fits"]
DEFAULT_SPLIT = "stratified:train=0.8,test=0.2,seed=0"
"""The split of a recipe that states none and has no published files."""
PUBLISHED_SPLIT = "published"
FORMATS: tuple[Format, ...] = ("png", "csv", "batches", "parquet")


_LATER_KEYS = (
    ("catalogue", "positions"),
    *(("classes", k) for k in ("votes", "total", "least_fraction")),
    *(("stamp", k) for k in ("resample", "centre", "size", "redshift", "cosmology", "rotate")),
)
"""Keys that a recipe is written without unless they are set: earlier versions did not have them."""


def _check_unique(what: str, values: Sequence[str]) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"two classes have the same {what}: {', '.join(map(repr, twice))}")


class CatalogueSettings(Settings):
    """The catalogue of the dataset, and the names of its columns.

    Attributes
    ----------
    url, md5 : str
        Where it is published, and its checksum.
    name, ra, dec, size, flux, field : str
        The columns of these quantities; "" where there is none.
    table : str
        Name or number of the table in a file with several; "" takes the one with the columns.
    ra_unit, dec_unit, size_unit, flux_unit : str
        Units that replace those of the file.
    frame : {"icrs", "fk5", "fk4", "galactic"}
        The frame of the positions; they are converted to ICRS.
    keep : tuple of str
        Further columns that go along into the manifest and the exports; ``*`` stands for all.
    where : str
        A condition that selects rows (`mingolotss.catalogue.expressions`).
    names : str
        A regular expression with the groups ``ra`` and ``dec`` (deg) or ``ra_hms`` and ``dec_dms``
        (sexagesimal): the catalogue is made from the names of the images.
    positions : str
        A regular expression with the same groups: the positions are those that the names of the
        sources in the catalogue hold, and `ra` and `dec` are not read.
    """

    url: str = ""
    md5: str = ""
    name: str = "Source_Name"
    ra: str = "RA"
    dec: str = "DEC"
    size: str = ""
    flux: str = ""
    field: str = ""
    table: str = ""
    ra_unit: str = ""
    dec_unit: str = ""
    size_unit: str = ""
    flux_unit: str = ""
    frame: Frame = "icrs"
    keep: tuple[str, ...] = ()
    where: str = ""
    names: str = ""
    positions: str = ""

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return check_address(value)

    @field_validator("ra_unit", "dec_unit", "size_unit", "flux_unit")
    @classmethod
    def _unit(cls, value: str, info: ValidationInfo) -> str:
        quantities: dict[str, Quantity] = {f"{name}_unit": name for name in TARGETS}
        try:
            find_unit(value, quantities[str(info.field_name)])
        except CatalogueError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("where")
    @classmethod
    def _condition(cls, value: str) -> str:
        if value:
            from mingolotss.catalogue.expressions import parse_condition  # it takes 0.2 s

            try:
                parse_condition(value)
            except CatalogueError as error:
                raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _columns_exist(self) -> CatalogueSettings:
        if self.names and (self.keep or self.where):
            raise ValueError("names: a catalogue of names has no columns for keep and where")
        return self

    @field_validator("names", "positions")
    @classmethod
    def _pattern(cls, value: str) -> str:
        groups = check_pattern(value)
        if value and not any(set(pair) <= set(groups) for pair in POSITION_GROUPS):
            raise ValueError(
                "it needs the groups (?P<ra>...) and (?P<dec>...), or (?P<ra_hms>...) and "
                "(?P<dec_dms>...) for sexagesimal positions"
            )
        return value

    @property
    def columns(self) -> ColumnNames:
        """Return the column names."""
        keys = ColumnNames.__dataclass_fields__
        return ColumnNames(**{key: getattr(self, key) for key in keys})


class ClassSettings(Settings):
    """One class of the table.

    Attributes
    ----------
    label : int
    name : str
    flags : tuple of str
        The flags that are true for this class, and no others.
    value : str
        The value of the class column.
    published : str
        The name in the published batches, if another.
    note : str
        What its galaxies look like.
    """

    label: int = Field(ge=0, le=32767)
    name: str
    flags: tuple[str, ...] = ()
    value: str = ""
    published: str = ""
    note: str = ""


class LabelSettings(Settings):
    """How a row of the catalogue gets its label.

    Attributes
    ----------
    source : {"flags", "column", "tags", "votes", "none"}
        ``from`` in a recipe.
    columns : tuple of str
        The columns of the flags, of the tags, or of the votes for each class.
    column : str
        The column of the class.
    table : tuple of ClassSettings
        By label.
    missing : {"error", "unlabelled"}
        What a row without a class is: without a value in a column, without any flag or vote.
    null : tuple of str
        Values of the column that mean that there is no class.
    votes : {"counts", "fractions"}
        What the columns of votes hold.
    total : str
        The column with the number of votes beside fractions; "" without one.
    least_fraction : float
        A source whose largest fraction of votes is less has no single class.
    binary : dict of str to tuple of int
        The labels in `table` of each of the two merged classes.
    merge : dict of str to tuple of str or int
        New classes, each of the classes with these names or labels; the others stay.
    drop : tuple of str or int
        Classes whose sources are left out.
    """

    source: Literal["flags", "column", "tags", "votes", "none"] = Field("none", alias="from")
    columns: tuple[str, ...] = ()
    column: str = ""
    table: tuple[ClassSettings, ...] = ()
    missing: MissingClass = "error"
    null: tuple[str, ...] = ()
    votes: VoteKind = "counts"
    total: str = ""
    least_fraction: float = Field(0.0, ge=0, le=1)
    binary: dict[str, tuple[int, ...]] = Field({})
    merge: dict[str, tuple[str | int, ...]] = Field({})
    drop: tuple[str | int, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> LabelSettings:
        if self.source == "flags":
            self._check_flags()
        if self.source == "column":
            if not self.column:
                raise ValueError("from = 'column' needs the name of the column: classes.column")
            values = [row.value or row.name for row in self.table]
            _check_unique("value", values)
            if both := set(values) & set(self.null):
                raise ValueError(f"null has values of the table: {', '.join(sorted(both))}")
        if self.source in {"tags", "votes"}:
            self._check_vectors()
        elif self.votes != "counts" or self.total or self.least_fraction:
            raise ValueError("votes, total and least_fraction need from = 'votes'")
        # A label is also the index into the list of class names and the value in the batches of the
        # original dataset. A gap would be a class without name.
        labels = [row.label for row in self.table]
        if labels != list(range(len(labels))):
            raise ValueError(f"labels must count 0, 1, 2 ... in order, got {labels}")
        _check_unique("name", [row.name for row in self.table])
        unknown = {label for group in self.binary.values() for label in group} - set(labels)
        if unknown and labels:
            raise ValueError(f"binary has labels that no class has: {sorted(unknown)}")
        return self

    def _check_flags(self) -> None:
        """Check the flags of the classes."""
        absent = {flag for row in self.table for flag in row.flags} - set(self.columns)
        if not self.table:
            raise ValueError("from = 'flags' needs a table of classes: [[classes.table]]")
        if absent:
            raise ValueError(f"flags that are not in columns: {', '.join(sorted(absent))}")
        _check_unique("flags", [" + ".join(sorted(set(row.flags))) for row in self.table])

    def _check_vectors(self) -> None:
        """Check the columns of tags or votes, and the table that names their classes."""
        if not self.columns:
            raise ValueError(
                f"from = {self.source!r} needs the names of the columns: classes.columns"
            )
        _check_unique("column", self.columns)
        own = [row.flags for row in self.table]
        if self.table and own != [(column,) for column in self.columns]:
            raise ValueError(
                f"from = {self.source!r} with a table of classes needs one row for each of "
                "classes.columns, in their order, with flags = [the column]"
            )
        if self.source == "tags" and (self.votes != "counts" or self.total or self.least_fraction):
            raise ValueError("votes, total and least_fraction need from = 'votes'")
        if self.source == "votes" and self.votes == "counts" and self.total:
            raise ValueError("total: the number of votes is the sum of the counts; leave it out")
        if self.source == "votes" and self.drop:
            raise ValueError(
                "drop: the votes for a class cannot be left out; merge it with another class, or "
                "select sources with catalogue.where"
            )

    @property
    def full_table(self) -> tuple[ClassSettings, ...]:
        """Return the classes before `merge` and `drop`; columns of tags and votes name them."""
        if self.table or self.source not in {"tags", "votes"}:
            return self.table
        return tuple(
            ClassSettings(label=label, name=column, flags=(column,))
            for label, column in enumerate(self.columns)
        )

    @model_validator(mode="after")
    def _changes_fit(self) -> LabelSettings:
        if (self.merge or self.drop) and self.source == "none":
            raise ValueError("merge and drop need classes: from = 'flags', for example")
        if empty := [name for name, members in self.merge.items() if not members or not name]:
            raise ValueError(f"merge: the group {empty[0]!r} needs a name and classes")
        if self.full_table:
            try:
                self.changes.apply_to([row.name for row in self.full_table])
            except CatalogueError as error:
                raise ValueError(str(error)) from error
        return self

    @property
    def changes(self) -> ClassChanges:
        """Return the merged and dropped classes."""
        return ClassChanges(tuple(self.merge.items()), self.drop)

    @property
    def final_table(self) -> tuple[ClassSettings, ...]:
        """Return the classes of the dataset: `table` after `merge` and `drop`."""
        table = self.full_table
        if not table or not (self.merge or self.drop):
            return table
        new_labels, names = self.changes.apply_to([row.name for row in table])
        rows = []
        for label, name in enumerate(names):
            old = [row for row, new in zip(table, new_labels, strict=True) if new == label]
            if name in self.merge:
                note = f"merged: {', '.join(row.name for row in old)}"
                rows.append(ClassSettings(label=label, name=name, note=note))
            else:
                rows.append(old[0].model_copy(update={"label": label}))
        return tuple(rows)

    @property
    def final_binary(self) -> dict[str, tuple[int, ...]]:
        """Return `binary` with the labels after `merge` and `drop`.

        Raises
        ------
        RecipeError
            A merged class has classes of both.
        """
        table = self.full_table
        if not table or not (self.merge or self.drop):
            return self.binary
        new_labels, names = self.changes.apply_to([row.name for row in table])
        members: dict[int, set[str]] = {}
        for old, new in enumerate(new_labels):
            groups = [name for name, labels in self.binary.items() if old in labels]
            members.setdefault(new, set()).update(groups or [""])
        mixed = [names[new] for new, groups in members.items() if new >= 0 and len(groups) > 1]
        if mixed:
            raise RecipeError(
                f"the class {mixed[0]!r} of classes.merge has classes of several groups of "
                "classes.binary; change one of them"
            )
        return {
            name: tuple(
                new for new, groups in sorted(members.items()) if new >= 0 and name in groups
            )
            for name in self.binary
        }


class SplitSettings(Settings):
    """How the sources are divided into splits.

    Attributes
    ----------
    plan : str
        As `mingolotss.dataset.splits.SplitPlan.parse` reads it. By default `PUBLISHED_SPLIT` for a
        recipe with published files of its own, and `DEFAULT_SPLIT` for any other.
    """

    plan: str = DEFAULT_SPLIT

    @field_validator("plan")
    @classmethod
    def _plan(cls, value: str) -> str:
        if value != value.strip() or not value.partition(":")[0]:
            raise ValueError(f"expected a split, for example {DEFAULT_SPLIT!r}")
        return value


class Recipe(Metadata):
    """Every setting of one dataset, and what the recipe states about it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    catalogue: CatalogueSettings = CatalogueSettings()
    classes: LabelSettings = LabelSettings()
    judgements: JudgementSettings = JudgementSettings()
    images: ImageSettings = ImageSettings()
    choose: ChooseSettings = ChooseSettings()
    recentre: RecentreSettings = RecentreSettings()
    noise: NoiseSettings = NoiseSettings()
    stamp: StampSettings = StampSettings()
    steps: tuple[StepSettings, ...] = ()
    channels: tuple[ChannelSettings, ...] = Field((), max_length=MOST_CHANNELS)
    beam: BeamSettings = BeamSettings()
    mask: MaskSettings = MaskSettings()
    split: SplitSettings = SplitSettings()
    batches: BatchSettings = BatchSettings()
    published: PublishedSettings = PublishedSettings()
    formats: tuple[Format, ...] = FORMATS

    @model_validator(mode="after")
    def _channels_fit(self) -> Recipe:
        names = [channel.name.lower() for channel in self.channels]  # also names of folders
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"channels: two have the same name: {', '.join(twice)}")
        if sum(channel.reference for channel in self.channels) > 1:
            raise ValueError("channels: only one can be the reference")
        for channel in self.channels:
            if channel.missing == "nan" and self.stamp.kind != "float32":
                raise ValueError(
                    f"channels: {channel.name} has missing = 'nan', and uint8 images have no NaN; "
                    "use missing = 'zero' or 'reject', or stamp.kind = 'float32'"
                )
        return self

    @model_validator(mode="after")
    def _judgements_fit(self) -> Recipe:
        if self.judgements.are_used and self.classes.source == "none" and not self.classes.table:
            raise ValueError(
                "judgements: people need classes to choose from; give classes.from, or a table of "
                "classes, [[classes.table]], for a catalogue without labels"
            )
        return self

    @model_validator(mode="after")
    def _steps_exist(self) -> Recipe:
        steps = [self.steps, *(channel.steps or () for channel in self.channels)]
        for one in chain.from_iterable(steps):
            check_step(one.do, one.settings)
        for several in steps:
            pairs = [(one.do, one.settings) for one in several]
            check_mask_steps(pairs, has_masks=self.mask.makes_masks)
        # This check needs two tables of the recipe, so no field can do it alone: the class of a
        # source can only come from the name of its image if the pattern has a group for it.
        labelled = self.catalogue.names and self.classes.source != "none"
        if labelled and "(?P<class>" not in self.catalogue.names:
            raise ValueError("catalogue.names: classes from names need a group (?P<class>...)")
        self._check_formats()
        return self

    def _check_formats(self) -> None:
        count = len(self.channels)
        if self.stamp.kind == "float32" and not count and {"png", "batches"} & set(self.formats):
            raise ValueError(
                "formats: png and batches hold uint8 images; with stamp.kind = 'float32' "
                "use formats = ['csv', 'parquet']"
            )
        is_png = self.stamp.kind == "uint8" and (not count or count in PNG_CHANNELS)
        if "png" in self.formats and not is_png:
            raise ValueError(
                f"formats: png holds uint8 images of {' or '.join(map(str, PNG_CHANNELS))} "
                f"channels, and these are {self.stamp.kind} of {count}; use "
                "formats = ['csv', 'batches', 'parquet']"
            )
        is_published = self.batches.pickle.protocol == 3 or self.published.list
        if "batches" in self.formats and self.stamp.kind == "float32" and is_published:
            raise ValueError(
                "formats: batches of protocol 3 hold uint8 images; with stamp.kind = 'float32' "
                "use formats = ['csv', 'parquet']"
            )

    @property
    def reference_channel(self) -> ChannelSettings | None:
        """Return the channel whose grid all share, None for a recipe without channels."""
        marked = [channel for channel in self.channels if channel.reference]
        return next(iter(marked or self.channels), None)

    @property
    def further_channels(self) -> tuple[ChannelSettings, ...]:
        """Return the channels but the reference, in the order of the recipe."""
        reference = self.reference_channel
        return tuple(channel for channel in self.channels if channel is not reference)

    def of_channel(self, channel: ChannelSettings) -> Recipe:
        """Return the recipe of one channel alone, which has no channels."""
        tables = ("images", "choose", "noise", "beam", "steps")
        given = {name: getattr(channel, name) for name in tables}
        changes = {name: value for name, value in given.items() if value is not None}
        return self._with({**changes, "channels": ()})

    @property
    def reference_recipe(self) -> Recipe:
        """Return the recipe of the reference channel; itself, if it has no channels."""
        channel = self.reference_channel
        return self if channel is None else self.of_channel(channel)

    def with_planned_beam(self, beam: BeamSettings) -> Recipe:
        """Return the recipe with the largest beam that a plan found, if it asks for that."""
        if not self.beam.is_planned or beam.common != self.beam.common:
            return self
        return self._with({"beam": beam})

    def with_judgements(self, judgements: JudgementSettings) -> Recipe:
        """Return the recipe with other rules for the judgements of people."""
        return self if judgements == self.judgements else self._with({"judgements": judgements})

    def _with(self, changes: Mapping[str, object]) -> Recipe:
        """Return a recipe with some tables replaced by others that have been checked."""
        # A copy by pydantic would keep the digest of this recipe.
        tables = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_construct(**{**tables, **changes})

    @property
    def label_kind(self) -> LabelKind:
        """Return whether a source has one class, any set of tags, or a fraction for each class."""
        if self.judgements.rule == "fractions":
            return "votes"
        return self.classes.source if self.classes.source in {"tags", "votes"} else "classes"

    @property
    def rules(self) -> Rules | None:
        """Return how a row gets its label."""
        classes = self.classes
        names = tuple(row.name for row in classes.full_table)
        if classes.source == "none":
            return None
        if classes.source == "tags":
            return TagRules(classes.columns, names, classes.missing, classes.changes)
        if classes.source == "votes":
            return VoteRules(
                classes.columns, names, classes.votes, classes.total, classes.least_fraction,
                classes.missing, classes.changes,
            )  # fmt: skip
        if self.classes.source == "flags":
            rows = (ClassRule(row.label, row.name, row.flags) for row in self.classes.table)
            return FlagRules(
                self.classes.columns, tuple(rows), self.classes.missing, self.classes.changes
            )
        table = tuple((row.value or row.name, row.label, row.name) for row in self.classes.table)
        return ColumnRules(
            self.classes.column,
            table,
            self.classes.missing,
            self.classes.null,
            self.classes.changes,
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the names of label 0, 1, ...; empty if the catalogue names them."""
        return tuple(row.name for row in self.classes.final_table)

    @property
    def step_list(self) -> list[tuple[str, dict[str, object]]]:
        """Return the steps as (name, settings)."""
        return [(one.do, one.settings) for one in self.steps]

    @property
    def uses_masks(self) -> bool:
        """Return whether a step changes pixels by the mask of the stamp."""
        return any(one.do in MASK_STEPS for one in self.steps)

    def without_mask_steps(self) -> Recipe:
        """Return the recipe without the steps that need the mask of the stamp."""
        if not self.uses_masks:
            return self
        return self._with({"steps": tuple(one for one in self.steps if one.do not in MASK_STEPS)})

    @property
    def clip_sigma(self) -> float | None:
        """Return the level of the first step ``clip`` in units of the noise, None without one."""
        for step in self.steps:
            if step.do == "clip":
                sigma = step.settings.get("sigma", CLIP_SIGMA)
                return float(sigma) if isinstance(sigma, int | float) else None
        return None

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of the settings that decide the content of the dataset.

        What the recipe only states, its title, its licence and the checksums of the published
        dataset for example, is not among them.
        """
        stated = {*Metadata.model_fields, "published"}
        settings = {k: v for k, v in self.to_dict().items() if k not in stated}
        if self.published.list:
            settings["published"] = {"list": self.published.list}
        text = json.dumps(settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, object]:
        """Return the effective settings as values of TOML.

        The published dataset is among them if its list decides what the dataset is. Channels, a
        common beam, judgements, masks, positions from names and the settings of resampled stamps
        are left out where there are none, so that the text and the digest of a recipe without them
        stay what they were before these existed.
        """
        settings = {"name": self.name} | self.model_dump(mode="json", by_alias=True)
        if not self.published.list:
            del settings["published"]
        for key in ("channels", "beam", "judgements", "mask"):
            if getattr(self, key) == type(self).model_fields[key].default:
                del settings[key]
        for channel in settings.get("channels", ()):
            for key in [key for key, value in channel.items() if value is None]:
                del channel[key]
        for table in (settings, *settings.get("channels", ())):
            if not table.get("beam", {}).get("largest"):
                table.get("beam", {}).pop("largest", None)
        for name, key in _LATER_KEYS:
            if settings[name][key] == type(getattr(self, name)).model_fields[key].default:
                del settings[name][key]
        return settings

    def changed(self, changes: Mapping[str, object]) -> Recipe:
        """Return a recipe with some settings changed; keys are dotted, e.g. ``noise.method``.

        A channel is named, ``channels.nvss.missing``, and every table of a list has its number from
        0, ``steps.1.sigma``.
        """
        # The changes are made in the plain values and checked like a file, so that ``--set``
        # accepts exactly what a recipe accepts. `to_dict` may be without `published`.
        settings: dict[str, object] = self.to_dict() | {"published": self.published.model_dump()}
        if "beam.common" in changes and isinstance(settings.get("beam"), dict):
            settings["beam"] = {}  # what the largest beam was holds no longer
        for dotted, value in changes.items():
            *parents, last = dotted.split(".")
            table: object = settings
            for parent in parents:
                table = _inner(table, parent)
            if not isinstance(table, dict):
                raise RecipeError(f"set {dotted}: {'.'.join(parents)} is no table of the recipe")
            table[last] = value
        return parse_recipe(settings, "the changed recipe")


def _inner(table: object, key: str) -> object:
    """Return a table in a table, which is added if it is not there, or in a list of tables."""
    if isinstance(table, dict):
        return table.setdefault(key, {})
    if not isinstance(table, list):
        return None
    named = [one for one in table if isinstance(one, dict) and one.get("name") == key]
    if not named and key.isdecimal() and int(key) < len(table):
        return table[int(key)]
    return next(iter(named), None)


def parse_recipe(settings: Mapping[str, object], where: str) -> Recipe:
    """Make a recipe from settings.

    Parameters
    ----------
    settings : mapping of str to object
        Keys and values as TOML has them.
    where : str
        What the settings are, for error messages.

    Raises
    ------
    RecipeError
        A key is unknown, or a value is impossible.
    """
    try:
        # In strict mode pydantic refuses a list for a tuple in Python values and accepts an array
        # for it in JSON. TOML has arrays only, so the settings are checked as JSON.
        return Recipe.model_validate_json(json.dumps(_state_split(settings), default=str))
    except ValidationError as error:
        raise RecipeError(f"read the recipe {where}: {_explain(error)}") from error
    except RecipeError as error:
        raise RecipeError(f"read the recipe {where}: {error}") from error


def _state_split(settings: Mapping[str, object]) -> Mapping[str, object]:
    """Return the settings with the split of a recipe that has published files.

    A build records it so, since ``published`` is not in its ``recipe.toml``.
    """
    split, published = settings.get("split", {}), settings.get("published", {})
    if not isinstance(split, Mapping) or not isinstance(published, Mapping):
        return settings  # which is an error
    if "plan" in split or not PublishedSettings.model_construct(**published).has_split:
        return settings
    return {**settings, "split": {**split, "plan": PUBLISHED_SPLIT}}


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        message = first["msg"].removeprefix("Value error, ")
        if isinstance(first["input"], Mapping):  # keys of one table that do not fit together
            return f"{path}: {message}" if path else message
        return f"{path} = {first['input']!r}: {message}" if path else message
    known = _known_keys(first["loc"][:-1])
    hint = nearest(str(first["loc"][-1]), known)
    return f"there is no key {path!r}:{hint} known here: {', '.join(known)}"


def _known_keys(path: Sequence[int | str]) -> list[str]:
    model: type[BaseModel] = Recipe
    # The path of an error names fields, and numbers for the items of an array; follow the fields
    # down to the model that the unknown key was in.
    for part in path:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        for kind in (annotation, *get_args(annotation)):  # itself, or what a tuple of it holds
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                model = kind
    return [field.alias or name for name, field in model.model_fields.items()]
