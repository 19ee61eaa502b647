"""The files of an agreement: ``disagreements.csv`` in the build, and JSON with everything."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from mingolotss.candidates.decisions import join_classes
from mingolotss.dataset.layout import BuildFolder
from mingolotss.formats.csv import render_csv
from mingolotss.io.files import write_bytes
from mingolotss.qa.agreement.result import NONE, Agreement, Disagreement

__all__ = ["judgement_words", "render_agreement", "write_disagreements"]

_COLUMNS = ("source", "disagreement", "people", "judgements")


def write_disagreements(agreement: Agreement) -> Path:
    """Write ``disagreements.csv``, the worst source first; return its path.

    Without a source on which people disagree it has only its header.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    path = BuildFolder(agreement.folder).disagreements
    rows = (
        (one.source, round(one.disagreement, 4), len(one.judgements), judgement_words(one))
        for one in agreement.disagreements
    )
    write_bytes(path, render_csv(rows, _COLUMNS).encode())
    return path


def judgement_words(disagreement: Disagreement) -> str:
    """Return who gives a source which classes, for people to read: "FRI: ann, cem | FRII: bob"."""
    people: dict[str, list[str]] = {}
    for by, classes in disagreement.judgements:
        people.setdefault(join_classes(classes) or NONE, []).append(by or "(no name)")
    return " | ".join(f"{classes}: {', '.join(names)}" for classes, names in people.items())


def render_agreement(agreement: Agreement) -> bytes:
    """Return everything as JSON; an undefined value is null beside its reason."""
    content = asdict(agreement) | {
        "folder": str(agreement.folder),
        "answers": agreement.answers,
    }
    return json.dumps(content, indent=1, ensure_ascii=True).encode() + b"\n"
