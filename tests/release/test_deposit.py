"""Deposits: what is uploaded, what a later version says, and what is refused.

`datacite` validates the metadata with the JSON Schema of DataCite, in ``make test-readers``.
"""

import json
import tarfile

import pytest

from mingolotss.dataset.checksums import changed_files, read_checksums
from mingolotss.errors import InputError
from mingolotss.pipeline.run import build
from mingolotss.qa.verify import verify
from mingolotss.recipe.load import load_recipe
from mingolotss.release.deposit import deposit
from readers_build import make_build

STATED = {
    "title": "Radio <galaxies> | jets", "licence": "CC-BY-4.0", "version": "1.9",
    "doi": "10.5281/zenodo.1234567", "date": "2026-02-01", "keywords": ["radio"],
    "funding": ["Grant 12"], "url": "https://example.org/data",
    "citation": ["A et al. 2019, MNRAS 488, 2701, doi:10.1093/mnras/stz1901"],
    "authors": [
        {"family": "Carberry", "given": "Josiah", "orcid": "0000-0002-1825-0097",
         "affiliation": "Brown University"},
        {"name": "The Example Collaboration"},
    ],
}  # fmt: skip
BARE = dict.fromkeys(STATED, "") | {key: [] for key in STATED if isinstance(STATED[key], list)}


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Return a build, its deposit, a later build of fewer sources, and the deposit of that."""
    root = tmp_path_factory.mktemp("versions")
    first = make_build(root, load_recipe("mingolotss").changed(STATED))
    one = deposit(first, root / "deposit-1")
    later = {"version": "1.10.0", "doi": "10.5281/zenodo.1234999"}
    second = root / "second"
    build(first / "recipe.toml", out=second, settings=later | {"recentre.enabled": False}, limit=20)
    two = deposit(second, root / "deposit-2", previous=root / "deposit-1")
    return first, one, second, two


def datacite(out):
    return json.loads((out / "zenodo" / "datacite.json").read_text())


def test_the_archive_holds_the_export_and_all_files_are_listed(versions):
    """Both folders are whole, and the archive has the bytes of the export."""
    first, one, _, two = versions
    for done in (one, two):
        assert verify(done.out / "huggingface").good
        with tarfile.open(done.archive) as files:
            for member in files.getmembers():
                if member.name != "checksums.sha256":
                    stored = (done.out / "huggingface" / member.name).read_bytes()
                    assert files.extractfile(member).read() == stored
        listed = read_checksums(done.out / "zenodo" / "sha256sums.txt")
        assert list(changed_files(done.out / "zenodo" / "sha256sums.txt", listed)) == []
        names = {path.name for path in (done.out / "zenodo").iterdir()}
        assert set(listed) == names - {"sha256sums.txt"}
    assert one.archive.name == "mingolotss-1.9.tar.gz"
    assert {"LICENSE", "CITATION.cff", ".zenodo.json", "README.md", "datacite.json"} < set(listed)
    assert one.images == verify(first).images


def test_a_later_version_says_what_differs(versions):
    """Sources that are gone, settings, and images, with the same numbers as ``compare``."""
    _, one, _, two = versions
    assert not (one.out / "zenodo" / "CHANGES.md").exists()
    text = (two.out / "zenodo" / "CHANGES.md").read_text()
    assert (two.out / "huggingface" / "CHANGES.md").read_text() == text
    comparison = two.comparison
    assert text.startswith(
        r"# Radio \<galaxies\> \| jets: changes from version 1.9 to version 1.10.0"
    )
    assert f"{comparison.common} sources are in both versions" in text
    assert f"| sources left out | {len(comparison.only_a)} |" in text
    assert len(comparison.only_a) == one.images - two.images
    assert "version: '1.9', now '1.10.0'" in text
    rows = (two.out / "zenodo" / "changes.csv").read_text().splitlines()
    assert len(rows) == 1 + len(comparison.rows)
    assert datacite(two.out)["relatedIdentifiers"][-1] == {
        "relatedIdentifier": "10.5281/zenodo.1234567", "relatedIdentifierType": "DOI",
        "relationType": "IsNewVersionOf",
    }  # fmt: skip


def test_statements_that_are_missing_are_named(tmp_path):
    """Nothing is invented, and each line says what follows."""
    bare = make_build(tmp_path, load_recipe("mingolotss").changed(BARE))
    done = deposit(bare, tmp_path / "deposit")
    assert [line.split(":")[0] for line in done.notices] == [
        "licence", "authors", "version", "doi",
    ]  # fmt: skip
    record = datacite(done.out)
    assert record["creators"] == [{"name": ":unav"}]
    assert record["publisher"] == {"name": ":unav"}
    assert "doi" not in record
    assert record["rightsList"] == [{"rights": "The licence is not known."}]
    assert (
        json.loads((done.out / "zenodo" / ".zenodo.json").read_text())["access_right"] == "closed"
    )
    assert done.archive.name == "mingolotss.tar.gz"
    with pytest.raises(InputError, match="it has no version; state a higher one"):
        deposit(bare, tmp_path / "later", previous=done.out)


def test_what_cannot_be_a_later_version_is_refused(versions, tmp_path):
    """The same version, a lower one, and one after something without a recipe, each in one line."""
    first, one, second, two = versions
    for dataset, previous, reason in (
        (first, one.out, "both are version 1.9"),
        (first, two.out, r"version 1\.9 is before version 1\.10\.0"),
        (second, first / "png", "no recipe.toml in"),
    ):
        with pytest.raises(InputError, match=reason):
            deposit(dataset, tmp_path / "out", previous=previous)
    assert not (tmp_path / "out").exists()


def test_a_damaged_dataset_is_not_deposited(versions, tmp_path):
    """Nothing is written, and the line names the first problem."""
    broken = make_build(tmp_path, load_recipe("mingolotss"))
    picture = next((broken / "png").glob("*.png"))
    picture.unlink()
    with pytest.raises(InputError, match=rf"1 problem.*{picture.name[:8]}.*mingolotss verify"):
        deposit(broken, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_folder_is_checked_before_the_dataset(versions, tmp_path):
    """A full folder is refused without the work of verifying, and without advice for exports."""
    with pytest.raises(InputError, match=r"something is there; choose another --out$"):
        deposit(tmp_path / "nothing", versions[1].out)


def test_the_same_version_in_other_words_is_refused(versions, tmp_path):
    """Version 1.9 is version 1.9.0."""
    first, one, *_ = versions
    again = tmp_path / "again"
    build(first / "recipe.toml", out=again, settings={"version": "1.9.0"}, limit=5)
    with pytest.raises(InputError, match=r"both are version 1\.9\.0"):
        deposit(again, tmp_path / "out", previous=one.out)


def test_what_a_person_wrote_is_kept(tmp_path):
    """Licence, citation and the metadata of Zenodo; the card describes the files of the export."""
    written = make_build(tmp_path, load_recipe("mingolotss").changed(STATED))
    texts = {
        "LICENSE": "Ask us.\n", "CITATION.cff": "cff-version: 1.2.0\n", ".zenodo.json": "{}\n",
    }  # fmt: skip
    for name, text in texts.items():
        (written / name).write_text(text)
    build(out=written)  # lists the new checksums
    done = deposit(written, tmp_path / "deposit")
    for name, text in texts.items():
        assert (done.out / "zenodo" / name).read_text() == text
        assert (done.out / "huggingface" / name).read_text() == text


@pytest.mark.readers
def test_the_metadata_are_valid(versions, tmp_path):
    """DataCite's own JSON Schema accepts them, complete and with hardly a statement."""
    from datacite import schema45

    bare = make_build(tmp_path, load_recipe("mingolotss").changed(BARE))
    for out in (versions[1].out, versions[3].out, deposit(bare, tmp_path / "deposit").out):
        errors = [error.message for error in schema45.validator.iter_errors(datacite(out))]
        assert not errors, errors
