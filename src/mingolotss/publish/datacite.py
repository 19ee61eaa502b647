"""``datacite.json``: the metadata of a dataset in the DataCite Metadata Schema 4.5, as JSON.

The schema (DataCite 2024, doi:10.14454/znvd-6q68) demands creators, a publisher and a year. What is
not known has its standard value ":unav" (appendix 3 of its documentation).
"""

from __future__ import annotations

import json

from mingolotss.dataset.provenance import Provenance
from mingolotss.publish.citation import cited_dois
from mingolotss.publish.licence import Licence, read_licence
from mingolotss.recipe.metadata import Author, Metadata

__all__ = ["render_datacite"]

_NOT_KNOWN = ":unav"
_SCHEMA = "http://datacite.org/schema/kernel-4"
_ZENODO_PREFIX = "10.5281/"


def render_datacite(
    provenance: Provenance,
    *,
    images: int,
    archive_bytes: int,
    previous_doi: str = "",
) -> str:
    """Return the metadata as JSON.

    Parameters
    ----------
    provenance : Provenance
    images : int
        Number of images in the dataset.
    archive_bytes : int
        Size of its archive.
    previous_doi : str
        Of the version before; "" if there is none.
    """
    stated = provenance.metadata
    licence = read_licence(stated.licence)
    record: dict[str, object] = {
        "schemaVersion": _SCHEMA,
        "doi": stated.doi,
        "creators": [*map(_creator, stated.authors)] or [{"name": _NOT_KNOWN}],
        "titles": [{"title": stated.title}],
        "publisher": {"name": "Zenodo" if stated.doi.startswith(_ZENODO_PREFIX) else _NOT_KNOWN},
        "publicationYear": (stated.date or provenance.date)[:4],
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": _resource_type(provenance)},
        "version": stated.version,
        "language": "en",
        "subjects": [{"subject": keyword} for keyword in stated.keywords],
        "dates": [{"date": stated.date, "dateType": "Issued"}] if stated.date else [],
        "descriptions": _descriptions(stated),
        "rightsList": _rights(licence),
        "sizes": [f"{images} images", f"{archive_bytes} bytes"],
        "formats": ["application/gzip", "application/json", "text/markdown"],
        "relatedIdentifiers": [
            *(_related(doi, "References") for doi in cited_dois(stated)),
            *([_related(previous_doi, "IsNewVersionOf")] if previous_doi else []),
        ],
        "fundingReferences": [
            {"funderName": _NOT_KNOWN, "awardTitle": text} for text in stated.funding
        ],
        "alternateIdentifiers": (
            [{"alternateIdentifier": stated.url, "alternateIdentifierType": "URL"}]
            if stated.url
            else []
        ),
    }
    record = {key: value for key, value in record.items() if value}
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _resource_type(provenance: Provenance) -> str:
    return "Simulated images with labels" if provenance.simulated else "Images with labels"


def _creator(author: Author) -> dict[str, object]:
    if not author.family:
        return {"name": author.name, "nameType": "Organizational"}
    creator: dict[str, object] = {
        "name": author.name_in_lists, "nameType": "Personal", "familyName": author.family,
        "givenName": author.given,
    }  # fmt: skip
    if author.orcid:
        creator["nameIdentifiers"] = [{
            "nameIdentifier": author.orcid_address, "nameIdentifierScheme": "ORCID",
            "schemeUri": "https://orcid.org",
        }]  # fmt: skip
    if author.affiliation:
        creator["affiliation"] = [{"name": author.affiliation}]
    return {key: value for key, value in creator.items() if value}


def _descriptions(stated: Metadata) -> list[dict[str, str]]:
    texts = [("Abstract", stated.description)]
    texts += [("Other", f"Please cite: {text}") for text in stated.citation]
    return [{"description": text, "descriptionType": kind} for kind, text in texts if text]


def _rights(licence: Licence) -> list[dict[str, str]]:
    if not licence.is_known:
        return [{"rights": "The licence is not known."}]
    rights = {"rights": licence.text, "rightsUri": licence.url}
    if licence.is_one:
        rights |= {
            "rightsIdentifier": licence.spdx, "rightsIdentifierScheme": "SPDX",
            "schemeUri": "https://spdx.org/licenses/",
        }  # fmt: skip
    return [{key: value for key, value in rights.items() if value}]


def _related(doi: str, relation: str) -> dict[str, str]:
    return {
        "relatedIdentifier": doi, "relatedIdentifierType": "DOI",
        "relationType": relation,
    }  # fmt: skip
