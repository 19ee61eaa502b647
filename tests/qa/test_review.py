"""The review page without a browser: access, what is written, what is refused, what is shown."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import numpy as np
import pytest

from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.errors import InputError
from mingolotss.io.fits import read_image
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.review.candidate_view import view_source
from mingolotss.qa.review.filters import Filter
from review_data import CARD, HOSTILE, UNDECIDED, environment, make_build, names, rebuild

uvicorn = pytest.importorskip("uvicorn", reason="needs the extra web")

from mingolotss.qa.review.app import create_app  # noqa: E402
from mingolotss.qa.review.guard import MAX_BODY_BYTES, allowed_hosts  # noqa: E402
from mingolotss.qa.review.server import review  # noqa: E402
from mingolotss.qa.review.state import Store  # noqa: E402

TOKEN = "the-token"  # noqa: S105
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Response:
    """The response of the server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode()


@dataclass
class Visitor:
    """A browser without a display: sends requests and keeps cookies."""

    port: int
    out: Path
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Response:
        """Get a page, or post a form to it."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent_headers = {"Host": f"127.0.0.1:{self.port}"}
        sent_headers["Cookie"] = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        body = None
        if form is not None:
            body = urlencode(form)
            sent_headers |= {"Content-Type": "application/x-www-form-urlencoded"}
            sent_headers |= {"Origin": f"http://127.0.0.1:{self.port}"}
        sent_headers |= {key.replace("_", "-"): value for key, value in headers.items()}
        sent_headers = {key: value for key, value in sent_headers.items() if value}
        link.request("GET" if form is None else "POST", path, body, sent_headers)
        reply = link.getresponse()
        response = Response(reply.status, dict(reply.getheaders()), reply.read())
        link.close()
        return response

    def enter(self) -> Visitor:
        """Open the address with the token."""
        response = self.ask(f"/?token={TOKEN}")
        assert response.status == 303
        key, _, rest = response.headers["set-cookie"].partition("=")
        self.cookies[key] = rest.partition(";")[0]
        return self

    def etag(self, row: int) -> str:
        """Return the etag in the page of a source."""
        text = self.ask(f"/source/{row}").text
        return text.split('name="etag" value="')[1].split('"')[0]

    def rows(self) -> list[Decision]:
        """Return the rows of the file of decisions."""
        return DecisionLog(self.out / "decisions.csv").rows()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_build(tmp_path_factory.mktemp("review"))


@pytest.fixture
def visitor(built: Path, tmp_path: Path) -> Iterator[Visitor]:
    """A real server on a copy of the build, and a visitor who has its token."""
    out = shutil.copytree(built, tmp_path / "out")
    bound = socket.create_server(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    app = create_app(
        Store(out), token=TOKEN, hosts=allowed_hosts("127.0.0.1", port), by="ann",
        clock=lambda: NOW,
    )  # fmt: skip
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Visitor(port, out).enter()
    server.should_exit = True
    thread.join(20)


# Access


@pytest.mark.parametrize("path", ["/", "/queue", "/source/0", "/gallery", "/stamp/0.png",
                                  "/static/style.css", "/nowhere"])  # fmt: skip
def test_without_the_token_nothing_is_shown(visitor: Visitor, path: str) -> None:
    stranger = Visitor(visitor.port, visitor.out)
    response = stranger.ask(path)
    assert response.status == 403
    assert "token" in response.text
    assert names()[0] not in response.text


def test_a_wrong_token_is_refused_and_no_cookie_given(visitor: Visitor) -> None:
    response = Visitor(visitor.port, visitor.out).ask("/?token=the-tokeN")
    assert response.status == 403
    assert "set-cookie" not in response.headers


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(
    visitor: Visitor,
) -> None:
    response = visitor.ask(f"/gallery?class=1&token={TOKEN}")
    assert response.headers["location"] == "/gallery?class=1"
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_the_token_never_leads_to_another_site(visitor: Visitor) -> None:
    response = visitor.ask(f"//evil.example/x?token={TOKEN}")
    assert not response.headers.get("location", "/").startswith("//")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1:1",
                                  "127.0.0.1.evil.example:{port}", "0.0.0.0:{port}"])  # fmt: skip
def test_a_foreign_host_is_refused(visitor: Visitor, host: str) -> None:
    response = visitor.ask("/source/0", Host=host.format(port=visitor.port))
    assert response.status == 403
    assert names()[0] not in response.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1",
                                    "https://127.0.0.1.evil.example", ""])  # fmt: skip
def test_a_decision_from_another_page_is_refused(visitor: Visitor, origin: str) -> None:
    form = {"verdict": "accept", "field": "P1", "etag": visitor.etag(0)}
    response = visitor.ask("/source/0/decide", form, Origin=origin)
    assert response.status == 403
    assert visitor.rows() == []


def test_a_page_elsewhere_cannot_read_either(visitor: Visitor) -> None:
    response = visitor.ask("/source/0", Origin="http://evil.example")
    assert response.status == 403
    assert "access-control-allow-origin" not in visitor.ask("/source/0").headers


def test_the_browser_is_told_to_run_only_the_pages_own(visitor: Visitor) -> None:
    for path in ("/source/0", "/gallery", "/nowhere", "/stamp/0.png"):
        headers = visitor.ask(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_too_large_a_form_is_refused(visitor: Visitor) -> None:
    response = visitor.ask("/source/0/decide", {"note": "x" * (MAX_BODY_BYTES + 1)})
    assert response.status == 413
    assert visitor.rows() == []


# Addresses


@pytest.mark.parametrize("path", [
    "/static/../review/app.py", "/static/..%2f..%2fdecisions.py", "/static/%2e%2e/app.py",
    "/static/....//app.py", "/stamp/../../etc/passwd", "/stamp/..%2f..%2fetc%2fpasswd.png",
    "/cutout/0/0/..%2f..%2frecipe.toml", "/cutout/0/99/asinh.png", "/cutout/0/0/nothing.png",
    "/source/999", "/source/-1", "/source/0%2f..%2f1", "/stamp/15.png/../../recipe.toml",
    "/grey/999.png", "/cutout/0/18446744073709551617/asinh.png",
])  # fmt: skip
def test_no_address_reaches_a_file(visitor: Visitor, path: str) -> None:
    response = visitor.ask(path)
    assert response.status in {403, 404}
    for secret in ("root:", "import ", "[recipe", "[build"):
        assert secret not in response.text


def test_names_and_headers_are_text_never_html(visitor: Visitor) -> None:
    row = names().index(HOSTILE)
    for path in (f"/source/{row}", "/gallery", "/find?name=script", f"/queue?name={HOSTILE}",
                 f"/source/{row}?name=%3Cscript%3Ealert(1)&notice=any%20text"):  # fmt: skip
        text = visitor.ask(path).text
        assert HOSTILE not in text
        assert CARD not in text
        assert "<script>alert" not in text
        assert "any text" not in text
    page = visitor.ask(f"/source/{row}").text
    assert HOSTILE in unescape(page)
    assert CARD in unescape(page)  # the header is shown, as text


def test_a_name_given_by_a_visitor_is_text_too(visitor: Visitor) -> None:
    form = {"verdict": "reject", "by": '"><script>x</script>', "etag": visitor.etag(0)}
    key, _, rest = visitor.ask("/source/0/decide", form).headers["set-cookie"].partition("=")
    visitor.cookies[key] = rest.partition(";")[0]
    page = visitor.ask("/source/0").text
    assert "<script>x" not in page
    assert '"><script>x</script>' in unescape(page)


# Decisions


def test_a_decision_is_in_the_file_before_the_response(visitor: Visitor) -> None:
    form = {"verdict": "accept", "field": "P2", "note": 'a, "b"', "etag": visitor.etag(0)}
    response = visitor.ask("/source/0/decide?why=undecided", form)
    assert (response.status, response.headers["location"]) == (
        303, "/source/1?why=undecided&notice=accept",
    )  # fmt: skip
    decision = Decision(names()[0], "P2", "accept", "ann", "2026-01-02T03:04:05Z", 'a, "b"')
    assert visitor.rows() == [decision]


def test_two_tabs_on_one_source_lose_nothing(visitor: Visitor) -> None:
    first_etag, second_etag = visitor.etag(3), visitor.etag(3)
    first = {"verdict": "accept", "field": "P1", "etag": first_etag}
    assert visitor.ask("/source/3/decide", first).status == 303
    second = {"verdict": "reject", "note": "artefact", "etag": second_etag}
    response = visitor.ask("/source/3/decide", second)
    assert response.status == 409
    assert "nothing was written" in response.text
    assert [row.verdict for row in visitor.rows()] == ["accept"]
    repeated = visitor.ask("/source/3/decide", second | {"etag": visitor.etag(3)})
    assert repeated.status == 303
    assert [row.verdict for row in visitor.rows()] == ["accept", "reject"]


def test_many_at_once_lose_nothing(visitor: Visitor) -> None:
    etags = [visitor.etag(row) for row in range(UNDECIDED)]
    statuses: list[int] = []

    def decide(row: int) -> None:
        form = {"verdict": "accept", "field": "P2", "etag": etags[row]}
        statuses.append(visitor.ask(f"/source/{row}/decide", form).status)

    threads = [threading.Thread(target=decide, args=(row,)) for row in range(UNDECIDED)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [303] * UNDECIDED
    assert sorted(row.source for row in visitor.rows()) == names()[:UNDECIDED]


@pytest.mark.parametrize("form", [
    {"verdict": "accept", "field": "P9"}, {"verdict": "accept", "field": ""},
    {"verdict": "accept"}, {"verdict": "maybe", "field": "P1"}, {"verdict": "undo"},
    {"verdict": "label"}, {"verdict": "confirm", "label": "FRII"}, {"verdict": "confirm"}, {},
])  # fmt: skip
def test_what_no_build_could_follow_is_refused(visitor: Visitor, form: dict[str, str]) -> None:
    response = visitor.ask("/source/0/decide", form | {"etag": visitor.etag(0)})
    assert response.status == 400
    assert visitor.rows() == []


def test_undo_goes_back_to_the_source(visitor: Visitor) -> None:
    for row in (0, 1):
        visitor.ask(f"/source/{row}/decide", {"verdict": "reject", "etag": visitor.etag(row)})
    response = visitor.ask("/undo?why=undecided", {})
    assert response.headers["location"] == "/source/1?why=undecided&notice=undo"
    assert list(DecisionLog(visitor.out / "decisions.csv").standing()) == visitor.rows()[:1]
    visitor.ask("/undo", {})
    response = visitor.ask("/undo", {})
    assert response.status == 409
    assert "no decision of ann" in response.text


def test_a_label_is_questioned_and_nothing_else_changes(visitor: Visitor) -> None:
    form = {"verdict": "label", "looks": "FRI WAT", "because": "bent"}
    response = visitor.ask("/source/2/decide", form)
    assert response.status == 303
    assert visitor.rows()[0].note == "looks like FRI WAT: bent"
    assert visitor.rows()[0].verdict == "label"
    assert visitor.ask("/queue").headers["location"] == "/source/0"  # it has no decision yet
    assert visitor.ask("/source/2/decide", form | {"looks": "<b>"}).status == 400
    page = visitor.ask("/gallery?state=questioned").text
    assert page.count("<li class=") == 1


def test_a_build_follows_what_was_decided(tmp_path: Path) -> None:
    out = make_build(tmp_path)
    store = Store(out)
    for row, (verdict, accepted) in enumerate([("accept", "P2"), ("reject", ""), ("accept", "P1")]):
        name = names()[row]
        decision = Decision(name, accepted, verdict, "ann", "2026-01-02", "why not")
        store.decide(decision, store.snapshot().decisions.etag(name))
    rebuild(tmp_path)
    first, second, third = BuildView.read(out).records([0, 1, 2])
    assert (first["field"], first["decided_by"], first["undecided"]) == ("P2", "ann", False)
    assert (second["status"], second["reason"]) == ("rejected", "rejected by ann: why not")
    assert (third["field"], third["decided_by"]) == ("P1", "ann")
    assert store.snapshot().build.record(0)["field"] == "P2"  # the page sees the new build


# Pages


def test_the_queue_goes_on_where_nobody_has_judged(visitor: Visitor) -> None:
    for row in range(3):
        assert visitor.ask("/queue").headers["location"] == f"/source/{row}"
        visitor.ask(f"/source/{row}/decide", {"verdict": "reject", "etag": visitor.etag(row)})
    for row in range(3, len(names())):
        DecisionLog(visitor.out / "decisions.csv").add(Decision(names()[row], "", "reject", "bob"))
    assert "Every source is judged" in visitor.ask("/queue").text


@pytest.mark.parametrize(("query", "count"), [
    ("why=undecided", UNDECIDED), ("why=recentred", 1), ("why=blank", 1), ("why=rejected", 1),
    ("why=exceeds_stamp", 1), ("why=all", len(names())), ("why=all&name=iltj0", 10),
    ("why=all&case=4", UNDECIDED), ("why=all&name=nobody", 0),
])  # fmt: skip
def test_filters_let_through_what_they_say(built: Path, query: str, count: int) -> None:
    snapshot = Store(built).snapshot()
    selection = Filter.parse(dict(pair.split("=") for pair in query.split("&")))
    assert len(snapshot.rows(selection)) == count


def test_the_pixels_under_the_pointer_are_the_files_own(visitor: Visitor) -> None:
    view = BuildView.read(visitor.out)
    for index, row in enumerate(view.candidate_rows(0)):
        body = visitor.ask(f"/cutout/0/{index}/pixels").body
        nx, ny, has = struct.unpack("<III", body[:12])
        planes = np.frombuffer(body[12:], "<f4").reshape(1 + has, ny, nx)
        image = read_image(Path(row.candidate.image))
        rms = read_image(Path(row.candidate.rms))
        assert np.array_equal(planes[0], image.data.astype("<f4"), equal_nan=True)
        assert np.array_equal(planes[1], rms.data.astype("<f4"), equal_nan=True)


def test_the_sky_under_the_pointer_is_the_headers_own(visitor: Visitor) -> None:
    page = visitor.ask("/source/0").text
    grid = np.array(json.loads(unescape(page.split('data-grid="')[1].split('"')[0])))
    row = BuildView.read(visitor.out).candidate_rows(0)[0]
    wcs = read_image(Path(row.candidate.image)).wcs()
    for x, y in ((119.5, 119.5), (37.0, 201.0), (-0.5, -0.5), (239.0, 3.0)):
        u, v = (x + 0.5) / 240 * 8, (y + 0.5) / 240 * 8
        i, j = min(int(u), 7), min(int(v), 7)
        s, t = u - i, v - j
        p = (1 - t) * ((1 - s) * grid[j, i] + s * grid[j, i + 1]) + t * (
            (1 - s) * grid[j + 1, i] + s * grid[j + 1, i + 1]
        )
        ra, dec = wcs.to_sky(x, y)
        assert abs(np.degrees(np.arctan2(p[1], p[0])) % 360 - ra) * 3600 < 0.01
        assert abs(np.degrees(np.arctan2(p[2], np.hypot(*p[:2]))) - dec) * 3600 < 0.01


def test_every_picture_of_a_page_is_a_png(visitor: Visitor) -> None:
    addresses = [
        unescape(text.split('"')[0])
        for text in visitor.ask("/source/0").text.split('<image href="')[1:]
    ]
    assert len(addresses) == 2 * 5
    for address in addresses:
        response = visitor.ask(address)
        assert response.headers["content-type"] == "image/png", address
        assert response.body.startswith(b"\x89PNG")


def test_an_image_that_went_away_is_shown_as_missing(tmp_path: Path) -> None:
    out = make_build(tmp_path)
    shutil.rmtree(tmp_path / "images")
    shown = view_source(Store(out).snapshot(), 0)
    assert shown.scale is None
    assert all("there is no such folder" in one.problem for one in shown.candidates)


def test_a_taken_port_is_one_line(built: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"127\.0\.0\.1:{port}: .*in use.* another --port"):
            review(built, port=port)


def test_the_browser_opens_the_printed_address(built: Path, tmp_path: Path) -> None:
    """The page is served when the browser comes, and the token in the address lets it in."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o755)
    code = (
        "import functools, sys; from mingolotss.qa.review.server import review\n"
        "show = functools.partial(print, flush=True)\n"
        "review(sys.argv[1], port=0, open_browser=True, notify=show)"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(built)],
        env=environment() | {"BROWSER": f"{browser} %s"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        printed = server.stdout.readline()
        deadline = time.monotonic() + 30
        while not opened.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        address = opened.read_text().strip()
        assert f" {address} " in printed
        visitor = build_opener(HTTPCookieProcessor())  # the token becomes a cookie
        with visitor.open(address, timeout=20) as response:
            assert names()[0] in response.read().decode()
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize("library", ["starlette", "uvicorn", "contourpy"])
def test_without_a_library_the_page_names_the_extra(library: str) -> None:
    """The package can be imported; only serving the page needs its libraries."""
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "import mingolotss.qa.review\n"
        "from mingolotss.qa.review.server import review\n"
        "try:\n    review('folder')\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    message = f"serve the review page: this needs {library}"
    assert done.stdout.startswith(message)
    assert done.stdout.endswith("pip install 'mingolotss[web]'\n")
