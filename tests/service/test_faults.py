"""What servers do on a bad day, through the whole of a build: search, fetch, stamps, manifest.

Each build has three sources: two that are served well and one in trouble. Each kind of trouble
ends as an image that was fetched after all, or as one rejection that says what happened; in
either case nothing is half-written, nothing is outside the build's folder, the others are not
affected, and the number of requests is small.
"""

import gzip
import re
import ssl
import time
from pathlib import Path

import pytest
import trustme
from astropy.io import fits

from mingolotss.catalogue.catalogue import Catalogue
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import InputError, ServiceUnavailableError
from mingolotss.io.files import TEMPORARY_PREFIX
from mingolotss.io.http import UnreachableHostError
from mingolotss.pipeline.plan import plan
from mingolotss.pipeline.run import build, fetch
from mingolotss.recipe.load import load_recipe
from mingolotss.service.base import Naming
from mingolotss.service.remote.cutout_server import HipsService, LotssDr2Service
from mingolotss.service.remote.range_mosaics import LotssDr2MosaicsService
from mingolotss.service.remote.sia import SiaService
from misbehave import Line, Reply, always, first, refusing, running
from small_archive import DEC, NAMES, RA, catalogue, cutout, make, quick, rows, script, votable

pytestmark = pytest.mark.slow  # together they take long


def untouched(out: Path, tmp_path: Path) -> None:
    """Nothing half-written, nothing beside the build, no file that is not whole FITS."""
    assert {path.name for path in tmp_path.iterdir()} == {out.name}
    assert not [path for path in out.rglob("*") if path.name.startswith(TEMPORARY_PREFIX)]
    for path in (out / "cutouts").iterdir():
        assert re.fullmatch(r"(good-1|good-2|bad)_P1\+5-mosaic(-rms)?\.fits", path.name)
        with fits.open(path) as opened:
            assert opened[0].data.ndim == 2


def cut_short(body: bytes, length: bool) -> Reply:
    def reply(line: Line, _: int) -> None:
        line.head(**({"Content_Length": str(len(body))} if length else {}))
        line.wfile.write(body[: len(body) // 2])

    return reply


def reset(line: Line, _: int) -> None:
    cut_short(cutout(20, 50), length=True)(line, 0)
    line.reset()


def stall(line: Line, _: int) -> None:
    line.head(Content_Length="1000000")
    line.wfile.write(b"SIMPLE  =")
    time.sleep(1.5)


GOOD = cutout(20, 50)
BUSY = "503 Service Unavailable"
PASSING = {
    "reset in mid-body": reset,
    "cut short with a length": cut_short(GOOD, length=True),
    "cut short without a length": cut_short(GOOD, length=False),
    "a stall": stall,
    "429": always(b"", "429 Too Many Requests"),
    "429 and Retry-After": always(b"", "429 Too Many Requests", Retry_After="0"),
    "503": always(b"", BUSY),
    "503 and Retry-After": always(b"", BUSY, Retry_After="1"),
    "500": always(b"<html>oops</html>", "500 Internal Server Error"),
}


@pytest.mark.parametrize("name", PASSING)
def test_trouble_that_passes_leaves_no_trace(name, tmp_path):
    """Once bad, then good: the build is complete, and was asked for one more time."""
    out = tmp_path / "build"
    with running(script(first(1, PASSING[name], always(GOOD)))) as server:
        found = make(server, out)
    assert [row["status"] for row in found] == ["written"] * 3
    assert server.asked["/1/P1_5-mosaic.fits?x=1&y=2"] == 2
    assert server.asked.total() == 3 + 6 + 1
    untouched(out, tmp_path)


SAYS = {
    "reset in mid-body": "",
    "cut short with a length": "IncompleteRead|cut short",
    "cut short without a length": "cut short: .* bytes of the .* that its header announces",
    "a stall": "timed out",
    "429": "is not there .status 429",
    "429 and Retry-After": "is not there .status 429",
    "503": "is not there .status 503",
    "503 and Retry-After": "is not there .status 503",
    "500": 'status 500: "oops"',
}


@pytest.mark.parametrize("name", PASSING)
def test_trouble_that_stays_is_one_rejection(name, tmp_path):
    """Always bad: the source is rejected with what happened; the same build asks it again."""
    out = tmp_path / "build"
    with running(script(PASSING[name])) as server:
        found = make(server, out)
        assert found[1]["status"] == "rejected"
        assert found[1]["stage"] == "fetch"
        assert re.search(SAYS[name], found[1]["reason"])
        assert "then gave up" in found[1]["reason"] or "waited as long" in found[1]["reason"]
        assert server.asked["/1/P1_5-mosaic.fits?x=1&y=2"] <= 12
        others = [row["status"] for row in (found[0], found[2])]
        untouched(out, tmp_path)
        server.script["/1/P1_5-mosaic.fits"] = always(GOOD)
        before = server.asked.total()
        again = make(server, out)
    assert [row["status"] for row in again] == ["written"] * 3
    if others == ["written"] * 2:
        assert server.asked.total() - before == 2
    untouched(out, tmp_path)


FINAL = {
    "404": (always(b"gone", "404 Not Found"), 'status 404: "gone"'),
    "a redirect loop": (
        always(b"", "302 Found", Location="/1/P1_5-mosaic.fits?x=1&y=2"),
        "more than 5 redirects",
    ),
    "a redirect to a file": (
        always(b"", "302 Found", Location="file:///etc/passwd"),
        "not followed: only http.s. is",
    ),
    "a redirect to a private address": (
        always(b"", "302 Found", Location="http://192.168.1.1/admin"),
        "a private address .192.168.1.1. of another host",
    ),
    "10 GB": (
        lambda line, _: line.head(Content_Length=str(10 * 10**9)),
        "10000000000 bytes or more, over the limit",
    ),
    "a VOTable": (
        always(votable("", "ERROR")),
        "a VOTable and no FITS file",
    ),
}


@pytest.mark.parametrize("name", FINAL)
def test_an_answer_that_is_no_image_is_one_rejection(name, tmp_path):
    """A complete answer is asked for once; its refusal is kept, so a rerun does not ask again."""
    out = tmp_path / "build"
    reply, words = FINAL[name]
    with running(script(reply)) as server:
        found = make(server, out)
        assert [row["status"] for row in found] == ["written", "rejected", "written"]
        assert found[1]["stage"] == "fetch"
        assert re.search(words, found[1]["reason"])
        assert server.asked["/1/P1_5-mosaic.fits?x=1&y=2"] <= 6
        untouched(out, tmp_path)
        before = server.asked.total()
        assert make(server, out) == found
        assert server.asked.total() == before


@pytest.mark.parametrize(
    ("body", "words"),
    [(cutout(20, 50, side=1), "1 x 1 pixels"), (cutout(20, 50, "nan"), "no finite non-zero pixel")],
    ids=["a 1-pixel FITS", "an all-NaN cutout"],
)
def test_an_image_without_pixels_is_one_rejection(body, words, tmp_path):
    """Whole FITS, so it is kept; there is nothing to see in it."""
    out = tmp_path / "build"
    with running(script(always(body))) as server:
        found = make(server, out)
    assert [row["status"] for row in found] == ["written", "rejected", "written"]
    assert found[1]["stage"] == "validate"
    assert words in found[1]["reason"]
    assert server.asked.total() == 9
    untouched(out, tmp_path)


def test_a_certificate_that_does_not_verify_is_one_rejection(tmp_path):
    """The image is offered over TLS that nobody trusted vouches for: it is not fetched."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    out = tmp_path / "build"
    with running({"*": always(GOOD)}) as hidden:
        hidden.socket = context.wrap_socket(hidden.socket, server_side=True)
        url = hidden.url.replace("http:", "https:") + "/1/P1_5-mosaic.fits"
        with running(script(search=lambda line, _: line.send(votable(rows(url))))) as server:
            found = make(server, out)
    assert [row["status"] for row in found] == ["written", "rejected", "written"]
    assert "certificate does not verify" in found[1]["reason"]
    assert not hidden.asked
    untouched(out, tmp_path)


def test_a_gzipped_fits_is_unpacked(tmp_path):
    out = tmp_path / "build"
    with running(script(always(gzip.compress(GOOD)))) as server:
        found = make(server, out)
    assert [row["status"] for row in found] == ["written"] * 3
    assert (out / "cutouts" / "bad_P1+5-mosaic.fits").read_bytes() == GOOD
    untouched(out, tmp_path)


SEARCHES = {
    "a VOTable that says ERROR": (
        always(votable("", "ERROR")),
        "the service refused the query: ERROR: POS",
    ),
    "OVERFLOW": (
        always(votable(rows("u/P1_5-mosaic.fits"), "OVERFLOW")),
        "OVERFLOW.*some images would be missing",
    ),
    "OVERFLOW after the table": (
        always(
            votable(
                rows("u/P1_5-mosaic.fits"), after='<INFO name="QUERY_STATUS" value="OVERFLOW"/>'
            )
        ),
        "OVERFLOW.*some images would be missing",
    ),
    "XML entities": (
        always(b'<!DOCTYPE v [<!ENTITY a "aaaa">]>' + votable("<TR><TD>&a;</TD></TR>")),
        "entities",
    ),
    "not XML at all": (always(b"<VOTABLE><<<</VOTABLE>"), "cannot be read|without results"),
    "a name that is too long": (
        always(votable(rows("u/" + "P" * 300 + "-mosaic.fits"))),
        "no usable file name",
    ),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_that_is_refused_is_one_rejection(name, tmp_path):
    out = tmp_path / "build"
    reply, words = SEARCHES[name]
    with running(script(search=reply)) as server:
        found = make(server, out)
        assert [row["status"] for row in found] == ["written", "rejected", "written"]
        assert found[1]["stage"] == "search"
        assert re.search(words, found[1]["reason"])
        before = server.asked.total()
        assert before == 3 + 4
        assert make(server, out) == found
        assert server.asked.total() == before
    untouched(out, tmp_path)


MAINTENANCE = b"<html><body>Back soon \x1b[2J after the maintenance</body></html>"


FAULTS = [
    "TransientFault: the database restarts",
    "Service temporarily unavailable, try again later",
]


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_that_a_votable_reports_is_no_refusal(text, tmp_path):
    """The service says ERROR, of itself and not of the query."""
    out = tmp_path / "build"
    table = votable("", "ERROR").replace(b"ERROR: POS", text.encode())
    with running(script(search=always(table))) as server:
        found = make(server, out)
        assert (found[1]["status"], found[1]["stage"]) == ("rejected", "search")
        assert text in found[1]["reason"]
        server.script.update(script())
        assert [row["status"] for row in make(server, out)] == ["written"] * 3


def test_a_page_with_links_is_no_list_of_mosaics(tmp_path):
    """A page about maintenance in place of the folder of LoTSS DR2 is not kept as its list."""
    page = always(b'<a href="status/">Down for maintenance</a>')
    with running({"*": page}) as server:
        service = LotssDr2MosaicsService(server.url, transport=quick(), workspace=tmp_path)
        with pytest.raises(InputError, match="the server shows no folders"):
            service.search_source(catalogue().source(0), 0.1)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("door", ["image", "search"])
def test_a_page_about_maintenance_is_no_refusal(door, tmp_path):
    """Status 200 and a page: one rejection now, one request, and a whole build in the next run."""
    out = tmp_path / "build"
    page = always(MAINTENANCE)
    with running(script(page) if door == "image" else script(search=page)) as server:
        found = make(server, out)
        assert [row["status"] for row in found] == ["written", "rejected", "written"]
        assert re.search("an HTML page and no .*Back soon .*after the maint", found[1]["reason"])
        assert "\x1b" not in found[1]["reason"]
        assert max(server.asked.values()) == 1
        server.script.update(script())
        assert [row["status"] for row in make(server, out)] == ["written"] * 3
    untouched(out, tmp_path)


def test_maintenance_of_a_cutout_server_is_no_lost_source(tmp_path):
    """The page of LoTSS DR2 for a place outside the survey is final, that about maintenance not."""
    out = tmp_path / "build"

    def page(line: Line, _: int) -> None:
        words = b"Outside the survey" if "pos=20" in line.path else b"No data: maintenance"
        line.send(b"<html>" + words)

    with running({"*": page}) as server:
        service = LotssDr2Service(f"{server.url}/c", transport=quick(), workspace=out)
        with pytest.raises(
            ServiceUnavailableError, match=r"delivered none; .*No data: maintenance"
        ):
            build(load_recipe("lotss"), out=out, catalogue=catalogue(), service=service)
        server.script["*"] = lambda line, _: line.send(
            cutout(*next(p for p in zip(RA, DEC, strict=True) if f"pos={p[0]}" in line.path))
        )
        build(load_recipe("lotss"), out=out, catalogue=catalogue(), service=service)
    status = [row["status"] for row in read_manifest(out).to_pylist()]
    assert status == ["written", "rejected", "written"]


def test_a_truncated_search_is_asked_again(tmp_path):
    """Half a VOTable is no answer."""
    out = tmp_path / "build"
    half = votable(rows("u/P1_5-mosaic.fits"))[:-30]
    with running(script(search=always(half))) as server:
        found = make(server, out)
        assert found[1]["stage"] == "search"
        assert "cut short" in found[1]["reason"]
        server.script.update(script())
        assert [row["status"] for row in make(server, out)] == ["written"] * 3
    untouched(out, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "../../../evil-mosaic.fits",
        "..%2f..%2fevil-mosaic.fits",
        "/etc/evil-mosaic.fits",
        "..-mosaic.fits",
    ],
)
def test_a_file_name_cannot_leave_the_folder(name, tmp_path):
    """The field's name comes from the server: it becomes one harmless file name."""
    out = tmp_path / "build"

    def search(line: Line, _: int) -> None:
        url = f"{line.server.url}/serve/{name}".replace("serve//", "serve/")
        line.send(votable(rows(url)))

    replies = script(search=search) | {"*": always(GOOD)}
    with running(replies) as server:
        make(server, out)
    assert {path.name for path in tmp_path.iterdir()} == {"build"}
    inside = {path.resolve() for path in (out / "cutouts").iterdir()}
    assert all(path.parent == (out / "cutouts").resolve() for path in inside)
    assert len(inside) >= 5


def test_a_refused_first_connection_ends_the_build_at_once(tmp_path):
    """Nobody listens: one error, no dataset, and the next run asks the server that came back."""
    out = tmp_path / "build"
    began, message = time.monotonic(), r"127\.0\.0\.1:\d+ cannot be reached \(.*refused"
    with refusing() as url:
        service = SiaService(f"{url}/siap", transport=quick(), workspace=out)
        with pytest.raises(UnreachableHostError, match=message):
            build(load_recipe("lotss"), out=out, catalogue=catalogue(), service=service)
    assert time.monotonic() - began < 30
    assert not [path for path in out.rglob("*") if path.is_file()]
    with running(script()) as server:
        assert [row["status"] for row in make(server, out)] == ["written"] * 3


def test_only_the_wanted_products_are_fetched_and_nothing_twice(tmp_path):
    """Five products a field: two travel, once; `refresh` asks again and gives the same."""
    out = tmp_path / "build"
    with running(script()) as server:
        found = make(server, out)
        assert set(server.asked.values()) == {1}
        assert not [path for path in server.asked if "low" in path or "residual" in path]
        before = server.asked.copy()
        assert make(server, out) == found
        assert server.asked == before
        url = f"{server.url}/siap"
        again = SiaService(url, transport=quick(), workspace=out, refresh=True)
        planned = plan(load_recipe("lotss"), out=out, catalogue=catalogue(), service=again)
        assert planned.estimate().requests == 6
        fetch(planned)
        assert set(server.asked.values()) == {2}
        assert make(server, out) == found


def test_searches_and_fetches_report_progress(tmp_path):
    """The number of finished sources, and of finished cutouts, in order."""
    calls = []
    with running(script()) as server:
        service = SiaService(f"{server.url}/siap", transport=quick(), workspace=tmp_path / "b")
        build(
            load_recipe("lotss"), out=tmp_path / "b", catalogue=catalogue(), service=service,
            progress=lambda done, total, stage: calls.append((stage, done, total)),
        )  # fmt: skip
    assert calls[:3] == [("searching", done, 3) for done in (1, 2, 3)]
    assert calls[3:6] == [("fetching", done, 3) for done in (1, 2, 3)]


def test_a_plan_says_what_a_fetch_will_take(tmp_path):
    with running(script()) as server:
        service = SiaService(f"{server.url}/siap", transport=quick(), workspace=tmp_path / "b")
        planned = plan(
            load_recipe("lotss"), out=tmp_path / "b", catalogue=catalogue(), service=service
        )
        estimate = planned.estimate()
        assert planned.field_counts() == {1: 3}
        assert estimate.requests == 6
        assert abs(estimate.bytes / (6 * len(GOOD)) - 1) < 0.05
        assert set(server.asked.values()) == {1}
        fetch(planned)
        assert planned.estimate().requests == 0


def test_servers_that_only_cut_have_one_candidate_and_estimated_noise(tmp_path):
    """LoTSS DR2's way: a place that is not covered is an HTML page with status 200."""

    def cut(line: Line, _: int) -> None:
        ra = float(re.search(r"pos=([\d.]+)%20", line.path)[1])
        index = RA.index(ra)
        covered = cutout(ra, DEC[index]) if index != 1 else b"<html>Outside the survey</html>"
        line.send(covered)

    out = tmp_path / "build"
    with running({"/dr2-cutout.fits": cut}) as server:
        service = LotssDr2Service(
            f"{server.url}/dr2-cutout.fits", transport=quick(), workspace=out, naming=Naming()
        )
        build(load_recipe("lotss"), out=out, catalogue=catalogue(), service=service)
        found = read_manifest(out).to_pylist()
        first = (out / "manifest.parquet").read_bytes()
        build(load_recipe("lotss"), out=out, catalogue=catalogue(), service=service)
        assert (out / "manifest.parquet").read_bytes() == first  # the stage of the rejection too
        assert server.asked.total() == 3
        assert all("&size=6" in path for path in server.asked)
    assert [row["status"] for row in found] == ["written", "rejected", "written"]
    assert found[1]["stage"] == "fetch"
    assert "Outside the survey" in found[1]["reason"]
    assert {row["field"] for row in found if row["field"]} == {"DR2"}


def test_hips2fits_is_asked_for_what_the_stamp_needs(tmp_path):
    out = tmp_path / "build"
    with running({"/h2f": always(cutout(10, 40))}) as server:
        service = HipsService("CDS/P/X", f"{server.url}/h2f", transport=quick(), workspace=out)
        build(
            load_recipe("lotss"), out=out, service=service,
            catalogue=Catalogue.from_columns(NAMES[:1], RA[:1], DEC[:1]),
        )  # fmt: skip
        (asked,) = server.asked
    assert "hips=CDS%2FP%2FX" in asked
    assert "width=240&height=240" in asked
    assert "fov=0.1&" in asked
    assert read_manifest(out).to_pylist()[0]["field"] == "X"
