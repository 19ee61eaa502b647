"""Plans: the division into parts, and what is refused or named before any pixel is read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fits_files import put
from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import DecisionError, InputError
from mingolotss.model import Candidate, Cutout
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import run
from mingolotss.qa.status import status
from mingolotss.recipe.load import load_recipe
from mingolotss.service.local.folder import read_cutout
from mingolotss.service.remote.download import DownloadService
from mingolotss.service.remote.search_cache import SearchResult
from skies import random_sky


@pytest.mark.slow
def test_parts_stay_when_the_service_is_replaced(tmp_path):
    """`fetch` replaces the service of a plan after its parts were divided among the workers."""
    sky = random_sky(tmp_path / "sky", 150, 1)
    build_plan = plan("mingolotss", catalogue=sky.catalogue, service=f"folder:{sky.folder}",
                      out=tmp_path / "out")  # fmt: skip
    replaced = replace(build_plan, service=object())
    parts = [part.tolist() for part in build_plan.partitions]
    assert len(parts) > 1
    assert [part.tolist() for part in replaced.partitions] == parts
    assert np.concatenate(parts).tolist() == list(range(150))
    by_image = replace(build_plan, in_catalogue_order=False)
    assert np.concatenate(by_image.partitions).tolist() != list(range(150))


class Archive(DownloadService):
    """A server that has the given fields for each source; nothing is requested from it."""

    def __init__(self, workspace, fields, naming):
        super().__init__(workspace=workspace, naming=naming)
        self.url, self._fields = "https://example.org", fields

    def query(self, source, size_deg):
        """Return the name of the source."""
        return f"{self.url}/{source.name}"

    def run_query(self, query):
        """Return the fields of the source."""
        fields = self._fields[query.rpartition("/")[2]]
        return SearchResult(tuple(Candidate(f, f"{query}/{f}", f"{query}/{f}-rms") for f in fields))


@pytest.mark.parametrize(
    ("fields", "image", "rms", "words"),
    [
        # names of sources and fields that join to one name
        ({"A": ["1_P1"], "A_1": ["P1"]}, "{source}_{field}.fits", "",
         "the image of A in field '1_P1' and the image of A_1 in field 'P1'"),
        # templates without the field
        ({"A": ["P1", "P2"]}, "{source}.fits", "", "A in field 'P1' and the image of A in"),
        ({"A": ["P1", "P2"]}, "{source}_{field}.fits", "{source}-rms.fits",
         "the rms map of A in field 'P1' and the rms map of A in field 'P2'"),
        # one template for both
        ({"A": ["P1"]}, "{source}_{field}.fits", "{source}_{field}.fits",
         "the image of A in field 'P1' and the rms map of A"),
    ],
)  # fmt: skip
def test_two_downloads_never_become_one_file(tmp_path, fields, image, rms, words):
    """The plan is refused before anything is requested; the message names both."""
    recipe = load_recipe("lotss").changed({"images.image": image, "images.rms": rms})
    n = len(fields)
    catalogue = Catalogue.from_columns(list(fields), [10.0] * n, [20.0] * n)
    service = Archive(tmp_path, fields, recipe.images)
    with pytest.raises(InputError, match="would both be written to") as caught:
        plan(recipe, catalogue=catalogue, service=service, out=tmp_path)
    assert words in str(caught.value)
    assert not (tmp_path / "recipe.toml").exists()


@pytest.mark.parametrize("fields", [{"A": ["P1"], "a": ["P1"]}, {"Öa": ["P1"], "öa": ["P1"]}])
def test_downloads_that_differ_in_case_are_kept_apart_where_the_disk_does(tmp_path, fields):
    """On a disk that ignores case the same plan is refused by the same check."""
    recipe = load_recipe("lotss")
    catalogue = Catalogue.from_columns(list(fields), [10.0] * 2, [20.0] * 2)
    service = Archive(tmp_path, fields, recipe.images)
    made = plan(recipe, catalogue=catalogue, service=service, out=tmp_path)
    paths = [made.service.local_candidate(request).image for request in made.requests()]
    assert len(set(paths)) == 2


def test_a_recipe_without_rms_maps_downloads_none(tmp_path):
    """A server may offer them; there is no name for their files."""
    recipe = load_recipe("lotss").changed({"images.rms": ""})
    catalogue = Catalogue.from_columns(["A"], [10.0], [20.0])
    service = Archive(tmp_path, {"A": ["P1", "P2"]}, recipe.images)
    made = plan(recipe, catalogue=catalogue, service=service, out=tmp_path)
    assert made.estimate().requests == 2


class TwoEpochs:
    """A plug-in that gives two images the same field."""

    def __init__(self, folder):
        self._folder = folder

    def search(self, position, size):
        """Return both images."""
        return [Candidate("P1", str(self._folder / f"{epoch}.fits")) for epoch in ("e1", "e2")]

    def cutout(self, candidate, position, size) -> Cutout:
        """Return the whole image."""
        return read_cutout(candidate)


def test_a_decision_for_one_of_two_images_with_one_field_is_refused(tmp_path):
    """The message names both images; without a decision the rules choose as for any two."""
    for epoch, value in (("e1", 1), ("e2", 2)):
        put(tmp_path / f"{epoch}.fits", value)
    out, service = tmp_path / "out", TwoEpochs(tmp_path)
    catalogue = Catalogue.from_columns(["A"], [180.0], [50.0])
    assert plan("lotss", catalogue=catalogue, service=service, out=out).covered == 1
    DecisionLog(out / "decisions.csv").add(Decision("A", "P1", "accept", "me", "2026-01-02"))
    with pytest.raises(DecisionError, match="several images") as caught:
        plan("lotss", catalogue=catalogue, service=service, out=out)
    assert str(tmp_path / "e1.fits") in str(caught.value)
    assert str(tmp_path / "e2.fits") in str(caught.value)


def test_files_that_are_not_used_are_kept_in_the_build(tmp_path):
    """Plan, build and status have the same lines; the next build has those of its own files."""
    put(tmp_path / "m" / "P1-mosaic.fits", 1)
    put(tmp_path / "m" / "P1-mosaic.fits.fz", 2)
    (tmp_path / "m" / "P2-mosaic.fits").write_bytes(b"")
    catalogue = Catalogue.from_columns(["A", "B"], [180.0, 190.0], [50.0, 50.0])
    recipe = load_recipe("lotss").changed({"stamp.pixels": 16, "images.size_arcmin": 0.5})
    options = {"catalogue": catalogue, "service": f"mosaics:{tmp_path / 'm'}"}
    made = plan(recipe, out=tmp_path / "out", **options)
    built = run(made)
    assert [line.partition(": ")[0] for line in built.notices] == [
        "passed over 'P1-mosaic.fits.fz'", "passed over 'P2-mosaic.fits'"
    ]  # fmt: skip
    assert made.notices == built.notices == tuple(status(tmp_path / "out").notices)
    reasons = read_manifest(tmp_path / "out")["reason"].to_pylist()
    assert reasons[0] is None
    assert reasons[1].startswith("no image holds the position, but 1 mosaic cannot be read: ")
    (tmp_path / "m" / "P2-mosaic.fits").unlink()
    (tmp_path / "m" / "P1-mosaic.fits.fz").unlink()
    assert run(plan(recipe, out=tmp_path / "out", **options)).notices == ()
    assert status(tmp_path / "out").notices == []


def test_a_service_is_an_address_a_folder_or_an_object_that_searches(tmp_path):
    """A path is a folder of images; an object of another kind is one line."""
    sky = random_sky(tmp_path / "in", 3, seed=5)
    plans = [
        plan("lotss", catalogue=sky.catalogue, service=service, out=tmp_path / name)
        for name, service in (("path", sky.folder), ("text", f"folder:{sky.folder}"))
    ]
    assert plans[0].table() == plans[1].table()
    assert plans[0].covered
    for service in (3.5, object(), ["a"]):
        with pytest.raises(InputError, match="has no method search: give an address") as caught:
            plan("lotss", catalogue=sky.catalogue, service=service, out=tmp_path / "out")
        assert "\n" not in str(caught.value)
