"""The dataset card: ``README.md`` with the header of Hugging Face, a datasheet, and how to load it.

The questions are those of Gebru et al. 2021 ("Datasheets for Datasets", CACM 64, 86), answered
from the recipe and the manifest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mingolotss.io.files import write_bytes
from mingolotss.publish.croissant import render_croissant
from mingolotss.publish.summary import NO_LICENCE, DatasetSummary

__all__ = ["is_ours", "render_card", "write_description"]

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))

_MARK = "<!-- written by mingolotss from recipe.toml and manifest.parquet -->"
_LOAD = {
    "build": ['mingolotss.MingoLoTSS("FOLDER")  # PyTorch', 'mingolotss.load("FOLDER")  # numpy'],
    "batches": ['mingolotss.MingoLoTSS("FOLDER")  # or the original class, with its md5 table'],
    "parquet": ['datasets.load_dataset("FOLDER")', 'mingolotss.MingoLoTSS("FOLDER")'],
    "webdataset": ['webdataset.WebDataset("FOLDER/train-000000.tar", shardshuffle=False)'],
    "hdf5": ['h5py.File("FOLDER/NAME.h5")["images"]', 'mingolotss.MingoLoTSS("FOLDER")'],
    "zarr": ['zarr.open_group("FOLDER/NAME.zarr")["images"]', 'mingolotss.MingoLoTSS("FOLDER")'],
    "png": ['torchvision.datasets.ImageFolder("FOLDER/train")', 'mingolotss.load("FOLDER")'],
}


_SIMULATED = (
    "**The images are of a simulated sky, made to try the program and to teach. Nothing in them "
    "was observed, and no result on them says anything about real galaxies.**"
)
_NAMES = (
    "The first published MingoLoTSS has the names of labels 1 and 2 the wrong way round. The "
    "labels here are the same, the names those of the catalogue's flags."
)


def write_description(
    facts: DatasetSummary, kind: str = "build", digests: Mapping[str, str] | None = None
) -> None:
    """Write ``README.md`` and ``croissant.json`` of a build or an export.

    Parameters
    ----------
    facts : Facts
        What `mingolotss.publish.summary.read_facts` found in the folder.
    kind : str
        ``build``, or the format of an export.
    digests : mapping of str to str, optional
        SHA-256 of files, by their name from the folder, that need not be read again.
    """
    folder = facts.folder
    write_bytes(folder / "croissant.json", render_croissant(facts, digests).encode())
    if is_ours(folder / "README.md") or not (folder / "README.md").exists():
        write_bytes(folder / "README.md", render_card(facts, kind).encode())


def is_ours(readme: Path) -> bool:
    """Say whether a card was written here, and may be written again; a person's own may not."""
    return readme.is_file() and _MARK in readme.read_text(encoding="utf-8", errors="replace")


def render_card(facts: DatasetSummary, kind: str = "build") -> str:
    """Return the card."""
    parts = [
        _header(facts, kind), _MARK, f"# {facts.title}", _summary(facts), _use(facts, kind),
        _counts(facts), _datasheet(facts), _citation(facts),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _header(facts: DatasetSummary, kind: str) -> str:
    """Write the YAML header (Hugging Face's dataset card metadata)."""
    size = next((name for limit, name in _SIZES if len(facts.manifest) < limit), "n>1M")
    licence = facts.settings.recipe.licence
    lines = [
        "---",
        f"license: {_identifier(licence) if licence else 'unknown'}",
        f"pretty_name: {_quoted(facts.title)}",
        "task_categories:",
        "- image-classification",
        "tags:",
        *(f"- {tag}" for tag in ("astronomy", "radio-astronomy", "galaxies")),
        "size_categories:",
        f"- {size}",
    ]
    if kind == "parquet":
        lines += ["configs:", "- config_name: default", "  data_files:"]
        for split in facts.splits:
            lines += [f"  - split: {_hub_name(split)}", f"    path: data/{split}-*.parquet"]
    return "\n".join([*lines, "---"])


def _identifier(licence: str) -> str:
    return licence.lower() if re.fullmatch(r"[A-Za-z0-9.-]+", licence) else "other"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _hub_name(split: str) -> str:
    """Spell a split as `datasets` allows: letters, digits, underscores, dots."""
    return re.sub(r"\W", "_", split)


def _summary(facts: DatasetSummary) -> str:
    recipe = facts.settings.recipe
    side = recipe.stamp.pixels
    lines = [facts.description]
    if facts.is_simulated:
        lines.append(_SIMULATED)
    lines.append(
        f"{len(facts.manifest):,} images of {side} x {side} pixels, {recipe.stamp.kind}, at "
        f"{facts.arcsec:.3g} arcsec a pixel (median): "
        f"{side * facts.arcsec / 60:.3g} arcmin on a side. Row 0 is the south."
    )
    return "\n\n".join(lines)


def _use(facts: DatasetSummary, kind: str) -> str:
    name = facts.settings.recipe.name
    lines = [line.replace("NAME", name) for line in _LOAD[kind]]
    return "\n".join(["## Load it", "", "```python", *lines, "```"])


def _counts(facts: DatasetSummary) -> str:
    splits = facts.splits
    lines = [
        "## Classes and splits",
        "",
        (f"Split: `{facts.split_plan}`. {_overlaps(facts)}"),
        "",
        "| label | class | " + " | ".join(splits) + " |",
        "|---|---|" + "---|" * len(splits),
    ]
    for label, (name, counts) in enumerate(facts.table()):
        number = "" if name == "no label" else str(label)
        lines.append(f"| {number} | {name} | " + " | ".join(map(str, counts)) + " |")
    if "FRI NAT" in facts.classes and "FRI WAT" in facts.classes:
        lines += ["", _NAMES]
    return "\n".join(lines)


def _datasheet(facts: DatasetSummary) -> str:
    """Answer the datasheet's questions, in its seven sections."""
    return "\n\n".join(
        f"### {title}\n\n{answer}"
        for title, answer in (
            ("Motivation", _motivation(facts)),
            ("Composition", _composition(facts)),
            ("Collection", _collection(facts)),
            ("Preprocessing", _preprocessing(facts)),
            ("Uses", _uses(facts)),
            ("Distribution", facts.settings.recipe.licence or NO_LICENCE),
            ("Maintenance", _maintenance()),
        )
    )


def _motivation(facts: DatasetSummary) -> str:
    return (
        "Made to train and test classifiers of radio-galaxy morphology, by a program that anyone "
        f"can run again: `{facts.settings.recipe.name}` is a recipe of mingolotss."
    )


def _composition(facts: DatasetSummary) -> str:
    lost = "none was left out" if not facts.rejected else f"{facts.rejected:,} are not here"
    return (
        f"One image for each source of the catalogue {facts.settings.catalogue} "
        f"({facts.settings.rows:,} rows); {lost}, and `manifest.parquet` of the build says why for "
        f"each. {facts.count('exceeds_stamp')} sources are larger than their image, "
        f"{facts.count('blank')} images are blank after clipping, {facts.count('recentred')} were "
        f"moved to put the source in the middle, and {facts.count('undecided')} await a person's "
        "choice between fields. Neighbouring sources can share pixels: see the splits above. "
        "There is nothing about people in it."
    )


def _collection(facts: DatasetSummary) -> str:
    return (
        f"Images came from the service `{facts.settings.service.partition(':')[0]}`; labels from "
        "the catalogue, whose authors classified the sources. Where several fields cover a source "
        "one was chosen by separation from the image's centre and by missing pixels; the column "
        "`case` of the manifest records by which rule. The catalogue's SHA-256 is "
        f"`{facts.settings.catalogue_sha256}`."
    )


def _preprocessing(facts: DatasetSummary) -> str:
    recipe = facts.settings.recipe
    steps = ", ".join(
        step.do + "".join(f" {key}={value}" for key, value in step.settings.items())
        for step in recipe.steps
    )
    return (
        f"Noise: {recipe.noise.method}. Steps, in order: {steps or 'none'}. Each image is scaled "
        "by itself, so brightness does not compare between images; `peak_jy` and `noise_jy` in the "
        "manifest are in Jy/beam. `recipe.toml` has every setting."
    )


def _uses(facts: DatasetSummary) -> str:
    rare = [name for name, counts in facts.table() if 0 < sum(counts) < 50]
    few = f" Classes with fewer than 50 images: {', '.join(rare)}." if rare else ""
    return (
        "Classification, representation learning, teaching. Classes are uneven: report macro-"
        f"averaged scores and a confusion matrix, not accuracy alone.{few} Not for photometry."
    )


def _maintenance() -> str:
    return (
        "Build it again from `recipe.toml`; `mingolotss compare` shows what differs, "
        "`mingolotss verify` checks every file, image and label here against the manifest."
    )


def _citation(facts: DatasetSummary) -> str:
    cited = facts.settings.recipe.citation
    return "\n".join(["## Cite", "", *(f"- {line}" for line in cited or ("none stated",))])


def _overlaps(facts: DatasetSummary) -> str:
    if facts.pairs is None:
        return "How many stamps overlap on the sky was not counted."
    return (
        f"{facts.pairs} pairs of stamps overlap on the sky; the two are in different splits in "
        f"{facts.leaks} of them."
    )
