"""LICENSE, CITATION.cff, .zenodo.json and Croissant, with and without statements in the recipe.

In `make test-readers` mlcroissant reads the Croissant. cffconvert, which validates CITATION.cff,
needs a jsonschema that the other libraries do not work with; where it is installed, it is used.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import socket
from contextlib import redirect_stderr
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from astropy.io import fits

from mingolotss.dataset.export_notes import ExportNotes
from mingolotss.dataset.provenance import Provenance, read_provenance
from mingolotss.errors import InputError, RecipeError
from mingolotss.pipeline.run import build
from mingolotss.publish.citation import render_cff
from mingolotss.publish.describe import keep_descriptions
from mingolotss.publish.export import export
from mingolotss.publish.licence import read_licence
from mingolotss.publish.licence_file import render_licence
from mingolotss.qa.verify import verify
from mingolotss.recipe.load import load_recipe, recipe_names
from mingolotss.recipe.model import parse_recipe
from readers_build import make_build, write_sky

FILES = ("LICENSE", "CITATION.cff", ".zenodo.json", "croissant.json", "README.md")
STATED = {
    "title": "Radio: galaxies & “jets”",
    "description": "Images of sources\nin a field.",
    "licence": "cc by 4.0",
    "version": "1.10.0",
    "doi": "https://doi.org/10.1234/abc.7",
    "url": "https://example.org/data",
    "date": "2026-02-01",
    "keywords": ["radio", "jets"],
    "funding": ["Grant 12 of the Example Council"],
    "citation": ["A et al. 2019, MNRAS 488, 2701, doi:10.1093/mnras/stz1901", "B 2020, in prep."],
    "authors": [
        {"family": "Carberry", "given": "Josiah", "orcid": "https://orcid.org/0000-0002-1825-0097",
         "affiliation": "Brown University"},
        {"name": "The Example Collaboration"},
    ],
}  # fmt: skip


def folders(root, changes):
    """Return a build with these statements, and an export of it."""
    built = make_build(root, load_recipe("mingolotss").changed(changes))
    return {"build": built, "export": export(built, "parquet", root / "export").out}


@pytest.fixture(scope="module")
def stated(tmp_path_factory):
    return folders(tmp_path_factory.mktemp("stated"), STATED)


@pytest.fixture(scope="module")
def unstated(tmp_path_factory):
    nothing = dict.fromkeys(STATED, "")
    lists = {key: [] for key in ("keywords", "funding", "citation", "authors")}
    return folders(tmp_path_factory.mktemp("unstated"), nothing | lists)


def read(folder):
    """Return the parsed CITATION.cff, .zenodo.json and Croissant of a dataset."""
    return (
        yaml.safe_load((folder / "CITATION.cff").read_text()),
        json.loads((folder / ".zenodo.json").read_text()),
        json.loads((folder / "croissant.json").read_text()),
    )


@pytest.mark.parametrize("kind", ["build", "export"])
def test_every_file_is_there_and_in_the_list_of_checksums(stated, kind):
    """A changed licence is found by `verify`."""
    listed = (stated[kind] / "checksums.sha256").read_text()
    assert all(f"  {name}\n" in listed for name in FILES)
    assert verify(stated[kind]).problems == []


@pytest.mark.parametrize("kind", ["build", "export"])
def test_what_the_recipe_states_is_in_every_description(stated, kind):
    """Authors with ORCID and affiliation, licence, version, DOI, address, date, funding."""
    cff, zenodo, croissant = read(stated[kind])
    text = (stated[kind] / "LICENSE").read_text()
    assert "SPDX-License-Identifier: CC-BY-4.0" in text
    assert "https://spdx.org/licenses/CC-BY-4.0.html" in text
    assert cff["title"] == zenodo["title"] == STATED["title"]
    assert cff["authors"] == [
        {"family-names": "Carberry", "given-names": "Josiah", "affiliation": "Brown University",
         "orcid": "https://orcid.org/0000-0002-1825-0097"},
        {"name": "The Example Collaboration"},
    ]  # fmt: skip
    assert zenodo["creators"] == [
        {"name": "Carberry, Josiah", "affiliation": "Brown University",
         "orcid": "0000-0002-1825-0097"},
        {"name": "The Example Collaboration"},
    ]  # fmt: skip
    assert [one["@type"] for one in croissant["creator"]] == ["sc:Person", "sc:Organization"]
    assert cff["license"] == zenodo["license"] == "CC-BY-4.0"
    assert croissant["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert zenodo["access_right"] == "open"
    assert cff["version"] == croissant["version"] == "1.10.0"
    assert "Version 1.10.0." in zenodo["notes"]
    assert cff["doi"] == zenodo["doi"] == "10.1234/abc.7"
    assert croissant["sameAs"] == "https://doi.org/10.1234/abc.7"
    assert cff["url"] == croissant["url"] == "https://example.org/data"
    assert cff["date-released"] == zenodo["publication_date"] == croissant["datePublished"]
    assert croissant["datePublished"] == "2026-02-01"
    assert cff["keywords"] == zenodo["keywords"] == croissant["keywords"] == ["radio", "jets"]
    assert "Grant 12 of the Example Council" in zenodo["notes"]
    assert zenodo["references"] == STATED["citation"] == croissant["citation"]
    assert [one["identifier"] for one in zenodo["related_identifiers"]] == ["10.1093/mnras/stz1901"]
    assert croissant["isBasedOn"] == ["https://doi.org/10.1093/mnras/stz1901"]
    assert all(paper in cff["message"] for paper in STATED["citation"])
    assert croissant["citeAs"] == (
        "Carberry, Josiah; The Example Collaboration, 2026, Radio: galaxies & “jets”, version "
        "1.10.0, https://example.org/data"
    )


@pytest.mark.parametrize("kind", ["build", "export"])
def test_what_nobody_stated_is_not_invented(unstated, kind):
    """No author, no licence, no version of the program in the place of the dataset's."""
    cff, zenodo, croissant = read(unstated[kind])
    provenance = read_provenance(unstated[kind])
    assert "is not known" in (unstated[kind] / "LICENSE").read_text()
    assert cff["authors"] == [{"name": "authors not named"}]
    assert croissant["creator"] == {"@type": "sc:Organization", "name": "authors not named"}
    assert "creators" not in zenodo
    assert not {"license", "license-url", "version", "doi", "url", "date-released"} & cff.keys()
    assert (zenodo["license"], zenodo["access_right"]) == ("notspecified", "closed")
    assert not {"doi", "publication_date"} & zenodo.keys()
    assert croissant["license"]["name"] == "not known"
    assert croissant["license"]["url"] == "LICENSE"
    assert croissant["url"] == "README.md"
    assert croissant["version"].startswith("0.0.0+manifest.")
    assert croissant["datePublished"] == provenance.date
    assert cff["title"] == zenodo["title"] == "mingolotss"
    assert croissant["citeAs"] == f"mingolotss, {provenance.date[:4]}"
    head = (unstated[kind] / "README.md").read_text().split("---")[1]
    assert yaml.safe_load(head)["license"] == "unknown"


def test_terms_in_words_are_repeated_as_they_are(tmp_path):
    """They are in LICENSE, in the notes for Zenodo and in the head of the card."""
    terms = "Permission is granted for scholarly use.\n\nAsk for anything else."
    out = folders(tmp_path, {"licence": terms})["build"]
    cff, zenodo, croissant = read(out)
    assert "scholarly use.\n\nAsk for" in (out / "LICENSE").read_text()
    assert not {"license", "license-url"} & cff.keys()
    assert zenodo["license"] == "notspecified"
    assert "Permission is granted for scholarly use. Ask for anything else." in zenodo["notes"]
    assert croissant["license"]["description"].endswith("Ask for anything else.")
    head = yaml.safe_load((out / "README.md").read_text().split("---")[1])
    assert head["license"] == "other"
    assert head["license_link"] == "LICENSE"


def test_the_provenance_says_what_was_made_from_what(stated):
    """PROV-O: the catalogue with its checksum, the images, the recipe, the program, and the day."""
    for kind in ("build", "export"):
        croissant = read(stated[kind])[2]
        provenance = read_provenance(stated[kind])
        assert croissant["conformsTo"] == "http://mlcommons.org/croissant/1.1"
        catalogue, images = croissant["prov:wasDerivedFrom"]
        assert catalogue["sha256"] == provenance.catalogue_sha256
        assert catalogue["prov:label"] == "catalogue catalogue.csv, 60 rows"
        assert images["prov:label"] == "images of the service folder"
        activity = croissant["prov:wasGeneratedBy"]
        used = [one["@id"] for one in activity["prov:used"]]
        assert used == [catalogue["@id"], images["@id"], "recipe.toml"]
        assert activity["prov:wasAssociatedWith"]["softwareVersion"]
        assert activity["prov:startedAtTime"] == {"@type": "xsd:date", "@value": provenance.date}


def test_files_that_a_person_wrote_stay(tmp_path):
    """A licence file or a citation of one's own is kept, with --fresh too, and is no product."""
    catalogue, images = write_sky(tmp_path, count=12)
    out = tmp_path / "out"
    out.mkdir()
    own = ("LICENSE", "CITATION.cff", ".zenodo.json")
    for name in own:
        (out / name).write_text("mine")
    for fresh in (False, True):
        options = {"catalogue": catalogue, "service": f"folder:{images}", "fresh": fresh}
        build("mingolotss", out=out, **options)
        assert all((out / name).read_text() == "mine" for name in own)
        assert "LICENSE" not in (out / "checksums.sha256").read_text()
        assert verify(out).problems == []


def put_socket(path):
    """Bind a socket, whose path may only be short."""
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as pipe:
        pipe.bind(path.name)


@pytest.mark.parametrize(
    ("put", "words"),
    [
        (os.mkfifo, "a pipe, a device or a socket, not a file"),
        (put_socket, "a pipe, a device or a socket, not a file"),
        (Path.mkdir, "Is a directory"),
        (lambda path: path.symlink_to("../private"), "it is a link to {private}, outside of "),
        (lambda path: path.symlink_to("/dev/zero"), "it is a link to /dev/zero, outside of "),
    ],
    ids=["pipe", "socket", "folder", "link to a file elsewhere", "link to a device"],
)
@pytest.mark.parametrize("name", ["LICENSE", "CITATION.cff", ".zenodo.json"])
def test_a_description_that_is_no_file_of_the_dataset_is_refused(tmp_path, name, put, words):
    """No export waits for a pipe or publishes the text of a file outside of the dataset."""
    dataset, target, private = tmp_path / "dataset", tmp_path / "export", tmp_path / "private"
    dataset.mkdir()
    private.write_text("secret")
    put(dataset / name)
    line = f"copy {dataset / name}: {words.format(private=private.resolve())}"
    with pytest.raises(InputError, match=re.escape(line)) as caught:
        keep_descriptions(dataset, target)
    assert str(caught.value).endswith("; put the text there as a file, or remove it")
    assert not target.exists()


def test_a_description_may_be_a_link_within_the_dataset(tmp_path):
    """Its text is copied, as a file."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "mine").write_text("mine")
    (tmp_path / "LICENSE").symlink_to("texts/mine")
    keep_descriptions(tmp_path, tmp_path / "export")
    assert (tmp_path / "export" / "LICENSE").read_text() == "mine"
    assert not (tmp_path / "export" / "LICENSE").is_symlink()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"version": "v1"}, "MAJOR.MINOR.PATCH"),
        ({"version": "2026.01"}, "MAJOR.MINOR.PATCH"),
        ({"doi": "zenodo.4288837"}, "no DOI"),
        ({"doi": "https://zenodo.org/records/1"}, "no DOI"),
        ({"url": "example.org"}, "begins with https://"),
        ({"url": "https://me:secret@example.org"}, "password"),
        ({"date": "1 May 2026"}, "2026-11-26"),
        ({"authors": [{"family": "A", "orcid": "0000-0002-1825-0098"}]}, "no ORCID iD"),
        ({"authors": [{"given": "A"}]}, "'family' (a person) or 'name'"),
        ({"authors": [{"family": "A", "name": "B"}]}, "'family' (a person) or 'name'"),
        ({"authors": [{"name": "B", "orcid": "0000-0002-1825-0097"}]}, "belong to a person"),
        ({"authors": [{"family": "A", "email": "a@b"}]}, "no key 'authors.0.email'"),
        ({"license": "MIT"}, "did you mean 'licence'?"),
    ],
)
def test_wrong_statements_are_one_line(settings, words):
    """The line names the key and what is expected."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe({"name": "mine", **settings}, "mine.toml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.readers
@pytest.mark.parametrize("which", ["stated", "unstated"])
@pytest.mark.parametrize("kind", ["build", "export"])
def test_the_validators_of_the_formats_accept_them(request, which, kind, caplog):
    """There is no error and no warning, and mlcroissant reads every record and image."""
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the group readers")
    folder = request.getfixturevalue(which)[kind]
    with redirect_stderr(io.StringIO()) as said:
        dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
    assert (said.getvalue(), caplog.text) == ("", "")
    assert list(dataset.metadata.issues.errors) == []
    assert list(dataset.metadata.issues.warnings) == []
    table = pq.read_table(folder / "manifest.parquet")
    assert ExportNotes.read(table.schema.metadata) is None or kind == "export"
    assert len(list(dataset.records("records"))) == len(table)
    images = list(dataset.records("images"))
    assert {one["images/image_file"].decode() for one in images} == set(
        filter(None, table["image_file"].to_pylist())
    )
    assert all(one["images/image"].size == (150, 150) for one in images)


@pytest.mark.readers
def test_croissant_of_other_datasets_is_accepted(tmp_path):
    """Of float images, which Croissant has no type for, and of splits that it does not know."""
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the group readers")
    recipe = {"stamp.kind": "float32", "steps": [], "formats": ["parquet"]}
    built = make_build(tmp_path, load_recipe("mingolotss").changed(recipe))
    folds = export(built, "parquet", tmp_path / "out", split="k-fold:folds=3,seed=1").out
    for folder in (built, folds):
        dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
        issues = dataset.metadata.issues
        assert [*issues.errors, *issues.warnings] == []
        assert len(list(dataset.records("images"))) == 59
    names = [one["splits/name"] for one in dataset.records("splits")]
    assert names == ["fold-0", "fold-1", "fold-2"]


# The keys and forms of the schema of CFF 1.2.0 (https://doi.org/10.5281/zenodo.5171937) and of the
# schema of Zenodo's legacy deposits, as far as these files can have them.
CFF_FORMS = {
    "cff-version": r"1\.2\.0", "message": ".+", "type": "dataset|software", "title": ".+",
    "abstract": ".+", "version": ".+", "date-released": r"\d{4}-\d{2}-\d{2}",
    "doi": r"10\.\d{4,9}(\.\d+)?/[A-Za-z0-9:/_;\-.()\[\]\\]+", "url": r"(https|http)://.+",
    "license": r"[A-Za-z0-9.+-]+", "license-url": r"(https|http)://.+",
}  # fmt: skip
PERSON = {"family-names", "given-names", "orcid", "affiliation"}
ZENODO_KEYS = {
    "title", "upload_type", "description", "creators", "access_right", "license", "doi", "keywords",
    "publication_date", "references", "related_identifiers", "notes",
}  # fmt: skip


def check_cff(text):
    """Check a CITATION.cff against the forms of its schema, and by cffconvert if it is there."""
    cff = yaml.safe_load(text)
    assert {"cff-version", "message", "title", "authors"} <= cff.keys()
    lists = {"authors", "keywords", "references"}
    assert cff.keys() <= CFF_FORMS.keys() | lists
    for key in cff.keys() - lists:
        assert re.fullmatch(CFF_FORMS[key], str(cff[key]), re.DOTALL), (key, cff[key])
        assert isinstance(cff[key], str)
    assert cff["authors"]
    for author in cff["authors"]:
        assert author.keys() <= PERSON or author.keys() == {"name"}
        assert re.fullmatch(r"(https://orcid\.org/[\dX-]{19})?", author.get("orcid", ""))
    if find_spec("cffconvert"):
        import_module("cffconvert").Citation(text).validate()


@pytest.mark.slow
@pytest.mark.parametrize("which", ["stated", "unstated"])
@pytest.mark.parametrize("kind", ["build", "export"])
def test_citation_and_deposit_have_the_form_of_their_schemas(request, which, kind):
    """Keys that a schema does not know would be refused, as would an empty list of authors."""
    folder = request.getfixturevalue(which)[kind]
    check_cff((folder / "CITATION.cff").read_text())
    zenodo = read(folder)[1]
    assert {"title", "upload_type", "description", "access_right"} <= zenodo.keys() <= ZENODO_KEYS
    assert zenodo["upload_type"] == "dataset"
    assert zenodo["access_right"] in {"open", "closed"}
    for creator in zenodo.get("creators", ()):
        assert {"name"} <= creator.keys() <= {"name", "affiliation", "orcid"}
    for related in zenodo.get("related_identifiers", ()):
        assert (related["scheme"], related["relation"]) == ("doi", "references")


@pytest.mark.parametrize("name", recipe_names())
def test_the_statements_of_every_shipped_recipe_are_valid(name):
    """Each states a licence, or that it is not known, and papers; none invents an author."""
    recipe = load_recipe(name)
    provenance = Provenance(recipe, "c.fits", "0" * 64, "folder:x", 3, 0, (), date="2026-01-02")
    check_cff(render_cff(provenance))
    assert recipe.licence
    assert recipe.citation
    assert not recipe.authors
    assert not re.search(r"\d{3}", re.sub(r"\b20(17|19|25)\b", "", recipe.description))
    is_known = name in {"mirabest", "frdeep-first", "rgz-dr1"}
    assert read_licence(recipe.licence).is_known is is_known
    assert ("non-commercial" in render_licence(provenance)) is is_known


def test_the_programs_own_citation_is_valid(pytestconfig):
    """CITATION.cff of the repository."""
    check_cff((pytestconfig.rootpath / "CITATION.cff").read_text())


def test_the_words_of_the_terms_of_first_are_those_of_its_images(shared):
    """The recipes of FIRST images repeat what the header of every image says."""
    image = next((shared / "data/first/fits").glob("*.fits"))
    history = " ".join(map(str, fits.getheader(image)["HISTORY"]))
    words = (
        "Permission is granted for publication and reproduction of this material for scholarly, "
        "educational, and private non-commercial use."
    )
    assert words in " ".join(history.split())
    for name in ("mirabest", "frdeep-first", "rgz-dr1"):
        assert words in " ".join(load_recipe(name).licence.split())
