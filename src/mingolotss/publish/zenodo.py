"""``.zenodo.json``: the metadata that Zenodo takes for a deposit.

Follows the schema of legacy deposits (``legacyrecord.json`` of https://github.com/zenodo/zenodo),
which knows no version; the version is in the notes. Zenodo takes CC-BY-4.0 where a file names no
licence, so one always stands here, "notspecified" if the dataset has no standard licence.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping

from mingolotss.dataset.products import GENERATED_MARK
from mingolotss.dataset.provenance import Provenance
from mingolotss.publish.citation import cited_dois
from mingolotss.publish.licence import read_licence
from mingolotss.publish.wording import counted
from mingolotss.recipe.metadata import Author, Metadata

__all__ = ["render_zenodo"]

_NOT_SPECIFIED = "notspecified"
_OWN_PREFIX = "10.5281/zenodo."  # DOIs that Zenodo itself gives; it takes none of them from a file


def render_zenodo(provenance: Provenance) -> str:
    """Return ``.zenodo.json``.

    A dataset without a known licence is closed, so that nothing is released by oversight.
    """
    stated = provenance.metadata
    licence = read_licence(stated.licence)
    deposit: dict[str, object] = {
        "title": stated.title,
        "upload_type": "dataset",
        "description": f"<p>{html.escape(stated.description, quote=False)}</p>",
        "creators": [*map(_creator, stated.authors)],
        "access_right": "open" if licence.is_known else "closed",
        "license": licence.spdx if licence.is_one else _NOT_SPECIFIED,
        "publication_date": stated.date,
        "doi": "" if stated.doi.startswith(_OWN_PREFIX) else stated.doi,
        "keywords": [*stated.keywords],
        "references": [*stated.citation, *_references_of_surveys(provenance)],
        "related_identifiers": [
            {"identifier": doi, "scheme": "doi", "relation": "references"}
            for doi in cited_dois(stated)
        ],
        "notes": " ".join(_notes(provenance, stated)),
    }
    deposit = {key: value for key, value in deposit.items() if value}
    return json.dumps(deposit, indent=1, ensure_ascii=False) + "\n"


def _notes(provenance: Provenance, stated: Metadata) -> list[str]:
    licence = read_licence(stated.licence)
    notes = []
    if provenance.simulated:
        notes.append("The images are simulated.")
    if stated.version:
        notes.append(f"Version {stated.version}.")
    kind, count = provenance.recipe.label_kind, len(provenance.classes)
    if kind == "tags":
        notes.append(f"Each image has any number of {counted(count, 'tag')}.")
    if kind == "votes":
        classes = counted(count, "class", "classes")
        notes.append(f"Each image has a fraction of the votes for each of {classes}.")
    if not licence.is_known:
        notes.append("The licence is not known.")
    elif not licence.is_one:
        notes.append(f"Licence: {licence.text}")
    notes += [
        f"Terms of use of the images of {survey}: {facts['terms of use']}."
        for survey, facts in provenance.surveys.items()
        if "terms of use" in facts
    ]
    if stated.funding:
        notes.append(f"Funding: {'; '.join(stated.funding)}.")
    return [*notes, f"This description was {GENERATED_MARK}."]


def _references_of_surveys(provenance: Provenance) -> list[str]:
    """Return the papers that the services of the images ask to cite."""
    return [facts["to cite"] for facts in provenance.surveys.values() if "to cite" in facts]


def _creator(author: Author) -> Mapping[str, str]:
    creator = {
        "name": author.name_in_lists, "affiliation": author.affiliation, "orcid": author.orcid,
    }  # fmt: skip
    return {key: value for key, value in creator.items() if value}
