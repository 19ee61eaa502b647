"""A build's sources may come from an address; the recipe's own is held to its checksum."""

from __future__ import annotations

import hashlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mingolotss.errors import CatalogueError, InputError, ServiceError
from mingolotss.pipeline.inputs import resolve_catalogue
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from mingolotss.service.local.folder import FolderService
from serving import serving
from skies import random_sky


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return random_sky(tmp_path_factory.mktemp("sources") / "in", 15, seed=9, kinds=("float32",))


@pytest.fixture
def site(sky):
    """Serve the sky's folder; give its address and the list of what was asked."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = partial(Handler, directory=str(sky.folder))
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked


def test_a_catalogue_at_an_address(sky, site, tmp_path):
    """It is fetched once, kept, and makes the build that the file makes."""
    address, asked = site
    options = {"service": f"folder:{sky.folder}", "out": tmp_path / "a"}
    first = build("mingolotss", catalogue=f"{address}/catalogue.fits", **options)
    again = build("mingolotss", catalogue=f"{address}/catalogue.fits", **options)
    local = build(
        "mingolotss", catalogue=sky.catalogue, service=options["service"], out=tmp_path / "b"
    )
    assert (first.written, again.written) == (local.written, local.written)
    assert asked == ["/catalogue.fits"]
    assert (tmp_path / "a" / "manifest.parquet").read_bytes() == (
        tmp_path / "b" / "manifest.parquet"
    ).read_bytes()


def test_catalogues_of_one_name_at_two_addresses_are_kept_apart(tmp_path):
    """The second is not taken for the first, also in the same folder."""
    for number in (1, 2):
        (tmp_path / "www" / f"v{number}").mkdir(parents=True)
        text = f"Source_Name,RA,DEC\nsource-{number},10,20\n"
        (tmp_path / "www" / f"v{number}" / "sources.csv").write_text(text)
    recipe, out = load_recipe("lotss"), tmp_path / "out"
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        names = [
            resolve_catalogue(recipe, f"{address}/{place}", object(), out).names
            for place in ("v1/sources.csv", "v2/sources.csv", "v2/sources.csv?a=1")
        ]
    assert names == [["source-1"], ["source-2"], ["source-2"]]


def test_the_recipes_own_catalogue_and_its_checksum(sky, site, tmp_path):
    """With no catalogue given the recipe's is fetched; another checksum is refused, not kept."""
    address, _ = site
    good = hashlib.md5(sky.catalogue.read_bytes(), usedforsecurity=False).hexdigest()
    url = f"{address}/catalogue.fits"
    recipe = load_recipe("mingolotss").changed({"catalogue.url": url, "catalogue.md5": good})
    service = FolderService(sky.folder)
    assert resolve_catalogue(recipe, None, service, tmp_path).names == sky.names
    with pytest.raises(CatalogueError, match=f"its MD5 is {good}, the recipe expects 0000"):
        resolve_catalogue(recipe.changed({"catalogue.md5": "0000"}), None, service, tmp_path)
    assert not list((tmp_path / "searches" / "catalogue").iterdir())


def test_an_address_without_a_catalogue(sky, site, tmp_path):
    """A page that is not there is one error of the far end, nothing is kept."""
    address, _ = site
    recipe = load_recipe("mingolotss")
    with pytest.raises(ServiceError):
        resolve_catalogue(recipe, f"{address}/other.fits", FolderService(sky.folder), tmp_path)
    assert not list(tmp_path.rglob("*.fits"))


def test_no_catalogue_at_all(sky, tmp_path):
    """The recipe `lotss` has none of its own."""
    with pytest.raises(InputError, match="no catalogue was given"):
        resolve_catalogue(load_recipe("lotss"), None, FolderService(sky.folder), tmp_path)
