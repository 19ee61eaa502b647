"""Without a network, or with a service that has nothing, a build is one error and no files."""

import socket
import time
from pathlib import Path

import pytest

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.errors import ServiceAnswerError, ServiceUnavailableError
from mingolotss.io.http import UnreachableHostError
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import build, fetch
from mingolotss.recipe.load import load_recipe
from mingolotss.service.remote.cutout_server import HipsService, LotssDr2Service, LotssDr3Service
from mingolotss.service.remote.range_mosaics import LotssDr2MosaicsService, RangesService
from mingolotss.service.remote.sia import SiaService
from mingolotss.service.remote.sia2 import Sia2Service
from misbehave import Line, always, running
from small_archive import DEC, NAMES, RA, catalogue, cutout, quick, rows, script, votable

RECIPE = load_recipe("lotss")
UNREACHABLE = {
    "sia": lambda url, options: SiaService(f"{url}/siap", **options),
    "sia2": lambda url, options: Sia2Service(f"{url}/sia2", **options),
    "lotss-dr2": lambda url, options: LotssDr2Service(f"{url}/cut", **options),
    "lotss-dr3": lambda url, options: LotssDr3Service(f"{url}/cut", **options),
    "hips": lambda url, options: HipsService("CDS/P/X", f"{url}/hips", **options),
    "ranges": lambda url, options: RangesService(f"{url}/mosaics", **options),
    "lotss-dr2-mosaics": lambda url, options: LotssDr2MosaicsService(f"{url}/mosaics", **options),
    "hinted": lambda url, options: LotssDr2MosaicsService(f"{url}/mosaics", **options),
}


def nobody() -> str:
    """An address that refuses connections."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", UNREACHABLE)
def test_a_plan_finds_out_that_nobody_listens(name, tmp_path):
    """Also where the service needs no search, and a plan sends no request."""
    service = UNREACHABLE[name](nobody(), {"transport": quick(), "workspace": tmp_path})
    hints = ["P012+41", "P020+50", "P030+60"] if name == "hinted" else ()
    sources = Catalogue.from_columns(NAMES, RA, DEC, field_hints=hints)
    began = time.monotonic()
    with pytest.raises(UnreachableHostError, match=r"cannot be reached \(.*refused"):
        plan(RECIPE, out=tmp_path, catalogue=sources, service=service)
    assert time.monotonic() - began < 30
    assert not files(tmp_path)


def by_position(line: Line, _: int) -> None:
    line.send(cutout(*next(p for p in zip(RA, DEC, strict=True) if f"pos={p[0]}" in line.path)))


def test_a_build_that_has_all_its_files_needs_no_network(tmp_path):
    for name, answers in (("cut", {"*": by_position}), ("siap", script())):
        kind = LotssDr2Service if name == "cut" else SiaService
        with running(answers) as server:
            url = f"{server.url}/{name}"
            service = kind(url, transport=quick(), workspace=tmp_path / name)
            plan_ = plan(RECIPE, out=tmp_path / name, catalogue=catalogue(), service=service)
            fetch(plan_)
        service = kind(url, transport=quick(), workspace=tmp_path / name)
        made = build(RECIPE, out=tmp_path / name, catalogue=catalogue(), service=service)
        assert made.written == 3


def test_a_build_that_lacks_a_file_ends_without_a_network(tmp_path):
    """It is neither a rejection nor a dataset with fewer images."""
    with running({"*": by_position}) as server:
        url = f"{server.url}/cut"
        service = LotssDr2Service(url, transport=quick(), workspace=tmp_path)
        fetch(plan(RECIPE, out=tmp_path, catalogue=catalogue(), service=service))
    next((tmp_path / "cutouts").glob("bad_*")).unlink()
    before = sorted(files(tmp_path))
    service = LotssDr2Service(url, transport=quick(), workspace=tmp_path)
    with pytest.raises(UnreachableHostError, match="what was fetched is kept"):
        build(RECIPE, out=tmp_path, catalogue=catalogue(), service=service)
    assert sorted(files(tmp_path)) == before


def one_not_found(line: Line, _: int) -> None:
    """Answer with an empty table for all sources but one."""
    if f"POS={RA[1]}" in line.path:
        line.send(b"gone", "404 Not Found")
    else:
        line.send(votable(""))


NOTHING = {
    "empty tables": (always(votable("")), ServiceAnswerError, "it has no image of any of them"),
    "not found": (
        always(b"gone", "404 Not Found"),
        ServiceAnswerError,
        "no search succeeded;.*404",
    ),
    "an error page": (
        always(b"<html>down for maintenance"),
        ServiceUnavailableError,
        "no search succeeded; the first error: .*maintenance",
    ),
    "a login page": (always(b"", "403 Forbidden"), ServiceUnavailableError, "no search succeeded"),
    "a refused query": (
        always(votable("", status="ERROR")),
        ServiceAnswerError,
        "search .* for 3 sources: no search succeeded",
    ),
    "one error and empty tables": (
        one_not_found,
        ServiceAnswerError,
        "it has no image of any of them.*; 1 searches failed, the first with: .*404",
    ),
}


@pytest.mark.parametrize("name", NOTHING)
def test_a_service_without_any_image_makes_no_dataset(name, tmp_path):
    reply, kind, match = NOTHING[name]
    with running({"*": reply}) as server:
        service = SiaService(f"{server.url}/siap", transport=quick(), workspace=tmp_path)
        for action in (plan, build):
            with pytest.raises(kind, match=match):
                action(RECIPE, out=tmp_path, catalogue=catalogue(), service=service)
    assert {name for name in files(tmp_path) if not name.endswith(".json")} == set()


def test_a_server_that_refuses_every_cutout_makes_no_dataset(tmp_path):
    outside = always(b"<html>Sorry, that is outside the survey")
    with running({"*": outside}) as server:
        service = LotssDr2Service(f"{server.url}/c", transport=quick(), workspace=tmp_path)
        for _ in range(2):  # the refusals are kept, and the second build sends no request
            with pytest.raises(ServiceAnswerError, match=r"download 3 images: .* none; .*outside"):
                build(RECIPE, out=tmp_path, catalogue=catalogue(), service=service)
        assert server.asked.total() == 3
    assert not (tmp_path / "manifest.parquet").exists()


def test_images_on_a_host_that_cannot_be_reached_are_rejections(tmp_path):
    """Only the host of the service itself ends the build: others may have some of the images."""
    away = f"{nobody()}/P9_9-mosaic.fits"
    with running(script(search=always(votable(rows(away))))) as server:
        service = SiaService(f"{server.url}/siap", transport=quick(), workspace=tmp_path)
        made = build(RECIPE, out=tmp_path, catalogue=catalogue(), service=service)
    assert (made.written, made.rejected) == (2, 1)
