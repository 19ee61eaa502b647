"""How to cite a dataset: one line of text, and ``CITATION.cff``.

Follows the Citation File Format 1.2.0 (Druskat et al. 2021, doi:10.5281/zenodo.5171937). The format
demands an author; where the recipe names none, the file says that they are not named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

from mingolotss.dataset.products import GENERATED_MARK
from mingolotss.dataset.provenance import Provenance
from mingolotss.publish.licence import Licence, read_licence
from mingolotss.recipe.metadata import DOI_ADDRESS, Author, Metadata

__all__ = ["AUTHORS_NOT_NAMED", "cited_dois", "dataset_address", "dataset_citation", "render_cff"]

AUTHORS_NOT_NAMED = "authors not named"
"""The author of a dataset whose recipe names none."""
_CITED_DOI = re.compile(r"\b10\.\d{4,9}/[^\s,;()\[\]<>\"']*[^\s,;()\[\]<>\"'.]")
# Licences that are newer than the list in the schema of CFF 1.2.0, of 2021.
_NEWER_LICENCES = {"CDLA-Permissive-2.0"}


def dataset_citation(provenance: Provenance) -> str:
    """Return how to cite the dataset: authors, year, title, version and address in one line."""
    stated = provenance.metadata
    authors = "; ".join(author.name_in_lists for author in stated.authors)
    year = (stated.date or provenance.date)[:4]
    parts = [
        *((authors, year, stated.title) if authors else (stated.title, year)),
        f"version {stated.version}" if stated.version else "",
        dataset_address(stated),
    ]
    return ", ".join(filter(None, parts))


def dataset_address(stated: Metadata) -> str:
    """Return the web address of the dataset, or that of its DOI; "" if it has neither."""
    return stated.url or (stated.doi and f"{DOI_ADDRESS}{stated.doi}")


def cited_dois(stated: Metadata) -> list[str]:
    """Return the DOIs in the texts that a recipe cites.

    >>> cited_dois(Metadata(citation=("A 2019, MNRAS 488, 2701, doi:10.1093/mnras/stz1901.",)))
    ['10.1093/mnras/stz1901']
    """
    return list(dict.fromkeys(doi for text in stated.citation for doi in _CITED_DOI.findall(text)))


def render_cff(provenance: Provenance) -> str:
    """Return ``CITATION.cff``."""
    stated = provenance.metadata
    message = "If you use this dataset, please cite it"
    if stated.citation:
        message += f", and what it is made from: {'; '.join(stated.citation)}"
    file: dict[str, object] = {
        "cff-version": "1.2.0",
        "message": f"{message}.",
        "type": "dataset",
        "title": stated.title,
        "abstract": stated.description,
        "authors": [*map(_author, stated.authors)] or [{"name": AUTHORS_NOT_NAMED}],
        "version": stated.version,
        "doi": stated.doi,
        "url": stated.url,
        **_licence(read_licence(stated.licence)),
        "date-released": stated.date,
        "keywords": [*stated.keywords],
    }
    file = {key: value for key, value in file.items() if value}
    text: str = yaml.safe_dump(file, sort_keys=False, allow_unicode=True, width=100)
    return f"# {GENERATED_MARK}\n{text}"


def _author(author: Author) -> Mapping[str, str]:
    person = {
        "family-names": author.family, "given-names": author.given, "name": author.name,
        "orcid": author.orcid_address, "affiliation": author.affiliation,
    }  # fmt: skip
    # The schema has an affiliation for persons only.
    return {
        key: value for key, value in person.items() if value and (author.family or key == "name")
    }


def _licence(licence: Licence) -> Mapping[str, str]:
    """Return the key of the licence: the schema has a closed list, and an address for others."""
    is_listed = licence.hugging_face not in {"unknown", "other"}
    if is_listed and licence.spdx not in _NEWER_LICENCES:
        return {"license": licence.spdx}
    return {"license-url": licence.url} if licence.url else {}
