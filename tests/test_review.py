"""The review page from the server's side: who is let in, what is written, what is refused."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest

from mingolotss.candidates.decisions import Decision, DecisionLog
from mingolotss.errors import InputError
from mingolotss.io.fits import read_image
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.review.candidate_view import view_candidate
from mingolotss.qa.review.filters import Filter
from review_data import CARD, HOSTILE, UNDECIDED, make_build, names, rebuild

uvicorn = pytest.importorskip("uvicorn", reason="needs the extra web")

from mingolotss.qa.review.app import create_app  # noqa: E402
from mingolotss.qa.review.guard import MAX_BODY_BYTES, allowed_hosts  # noqa: E402
from mingolotss.qa.review.server import review  # noqa: E402
from mingolotss.qa.review.state import Store  # noqa: E402

TOKEN = "the-token"  # noqa: S105
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Answer:
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
    """A browser without a picture: sends what it is told, keeps cookies."""

    port: int
    out: Path
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Answer:
        """Get a page, or post a form to it."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {"Host": f"127.0.0.1:{self.port}"}
        sent["Cookie"] = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        body = None
        if form is not None:
            body = urlencode(form)
            sent |= {"Content-Type": "application/x-www-form-urlencoded"}
            sent |= {"Origin": f"http://127.0.0.1:{self.port}"}
        sent |= {key.replace("_", "-"): value for key, value in headers.items()}
        sent = {key: value for key, value in sent.items() if value}
        link.request("GET" if form is None else "POST", path, body, sent)
        answer = link.getresponse()
        response = Answer(answer.status, dict(answer.getheaders()), answer.read())
        link.close()
        return response

    def enter(self) -> Visitor:
        """Come in by the address with the token."""
        answer = self.ask(f"/?token={TOKEN}")
        assert answer.status == 303
        key, _, rest = answer.headers["set-cookie"].partition("=")
        self.cookies[key] = rest.partition(";")[0]
        return self

    def etag(self, row: int) -> str:
        """Return what the page of a source says of its decisions."""
        text = self.ask(f"/source/{row}").text
        return text.split('name="etag" value="')[1].split('"')[0]

    def rows(self) -> list[Decision]:
        """Return what is in the file."""
        return DecisionLog(self.out / "decisions.csv").rows()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_build(tmp_path_factory.mktemp("review"))


@pytest.fixture
def visitor(built: Path, tmp_path: Path) -> Iterator[Visitor]:
    """A real server on a copy of the build, and somebody who has its token."""
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


# Who is let in


@pytest.mark.parametrize("path", ["/", "/queue", "/source/0", "/gallery", "/stamp/0.png",
                                  "/static/style.css", "/nowhere"])  # fmt: skip
def test_without_the_token_nothing_is_shown(visitor: Visitor, path: str) -> None:
    stranger = Visitor(visitor.port, visitor.out)
    answer = stranger.ask(path)
    assert answer.status == 403
    assert "token" in answer.text
    assert names()[0] not in answer.text


def test_a_wrong_token_is_refused_and_no_cookie_given(visitor: Visitor) -> None:
    answer = Visitor(visitor.port, visitor.out).ask("/?token=the-tokeN")
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(
    visitor: Visitor,
) -> None:
    answer = visitor.ask(f"/gallery?class=1&token={TOKEN}")
    assert answer.headers["location"] == "/gallery?class=1"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_the_token_never_leads_to_another_site(visitor: Visitor) -> None:
    answer = visitor.ask(f"//evil.example/x?token={TOKEN}")
    assert not answer.headers.get("location", "/").startswith("//")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1:1",
                                  "127.0.0.1.evil.example:{port}", "0.0.0.0:{port}"])  # fmt: skip
def test_a_foreign_host_is_refused(visitor: Visitor, host: str) -> None:
    answer = visitor.ask("/source/0", Host=host.format(port=visitor.port))
    assert answer.status == 403
    assert names()[0] not in answer.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1",
                                    "https://127.0.0.1.evil.example", ""])  # fmt: skip
def test_a_decision_from_another_page_is_refused(visitor: Visitor, origin: str) -> None:
    form = {"verdict": "accept", "field": "P1", "etag": visitor.etag(0)}
    answer = visitor.ask("/source/0/decide", form, Origin=origin)
    assert answer.status == 403
    assert visitor.rows() == []


def test_a_page_elsewhere_cannot_read_either(visitor: Visitor) -> None:
    answer = visitor.ask("/source/0", Origin="http://evil.example")
    assert answer.status == 403
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
    answer = visitor.ask("/source/0/decide", {"note": "x" * (MAX_BODY_BYTES + 1)})
    assert answer.status == 413
    assert visitor.rows() == []


# What addresses can name


@pytest.mark.parametrize("path", [
    "/static/../review/app.py", "/static/..%2f..%2fdecisions.py", "/static/%2e%2e/app.py",
    "/static/....//app.py", "/stamp/../../etc/passwd", "/stamp/..%2f..%2fetc%2fpasswd.png",
    "/cutout/0/0/..%2f..%2frecipe.toml", "/cutout/0/99/asinh.png", "/cutout/0/0/nothing.png",
    "/source/999", "/source/-1", "/source/0%2f..%2f1", "/stamp/15.png/../../recipe.toml",
    "/grey/999.png", "/cutout/0/18446744073709551617/asinh.png",
])  # fmt: skip
def test_no_address_reaches_a_file(visitor: Visitor, path: str) -> None:
    answer = visitor.ask(path)
    assert answer.status in {403, 404}
    for secret in ("root:", "import ", "[recipe", "[build"):
        assert secret not in answer.text


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
    answer = visitor.ask("/who", {"by": '"><script>x</script>', "back": "//evil.example"})
    assert answer.headers["location"] == "/"
    key, _, rest = answer.headers["set-cookie"].partition("=")
    visitor.cookies[key] = rest.partition(";")[0]
    page = visitor.ask("/source/0").text
    assert "<script>x" not in page
    assert '"><script>x</script>' in unescape(page)


# What is decided


def test_a_decision_is_in_the_file_before_the_answer(visitor: Visitor) -> None:
    form = {"verdict": "accept", "field": "P2", "note": 'a, "b"', "etag": visitor.etag(0)}
    answer = visitor.ask("/source/0/decide?why=undecided", form)
    assert (answer.status, answer.headers["location"]) == (
        303, "/source/1?why=undecided&notice=accept",
    )  # fmt: skip
    decision = Decision(names()[0], "P2", "accept", "ann", "2026-01-02T03:04:05Z", 'a, "b"')
    assert visitor.rows() == [decision]


def test_two_tabs_on_one_source_lose_nothing(visitor: Visitor) -> None:
    first_etag, second_etag = visitor.etag(3), visitor.etag(3)
    first = {"verdict": "accept", "field": "P1", "etag": first_etag}
    assert visitor.ask("/source/3/decide", first).status == 303
    second = {"verdict": "reject", "note": "artefact", "etag": second_etag}
    answer = visitor.ask("/source/3/decide", second)
    assert answer.status == 409
    assert "nothing was written" in answer.text
    assert [row.verdict for row in visitor.rows()] == ["accept"]
    repeated = visitor.ask("/source/3/decide", second | {"etag": visitor.etag(3)})
    assert repeated.status == 303
    assert [row.verdict for row in visitor.rows()] == ["accept", "reject"]


def test_many_at_once_lose_nothing(visitor: Visitor) -> None:
    etags = [visitor.etag(row) for row in range(UNDECIDED)]
    answers: list[int] = []

    def decide(row: int) -> None:
        form = {"verdict": "accept", "field": "P2", "etag": etags[row]}
        answers.append(visitor.ask(f"/source/{row}/decide", form).status)

    threads = [threading.Thread(target=decide, args=(row,)) for row in range(UNDECIDED)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert answers == [303] * UNDECIDED
    assert sorted(row.source for row in visitor.rows()) == names()[:UNDECIDED]


@pytest.mark.parametrize("form", [
    {"verdict": "accept", "field": "P9"}, {"verdict": "accept", "field": ""},
    {"verdict": "maybe", "field": "P1"}, {"verdict": "undo"}, {"verdict": "label"}, {},
])  # fmt: skip
def test_what_no_build_could_follow_is_refused(visitor: Visitor, form: dict[str, str]) -> None:
    answer = visitor.ask("/source/0/decide", form | {"etag": visitor.etag(0)})
    assert answer.status == 400
    assert visitor.rows() == []


def test_undo_goes_back_to_the_source(visitor: Visitor) -> None:
    for row in (0, 1):
        visitor.ask(f"/source/{row}/decide", {"verdict": "reject", "etag": visitor.etag(row)})
    answer = visitor.ask("/undo?why=undecided", {})
    assert answer.headers["location"] == "/source/1?why=undecided&notice=undo"
    assert list(DecisionLog(visitor.out / "decisions.csv").standing()) == visitor.rows()[:1]
    visitor.ask("/undo", {})
    answer = visitor.ask("/undo", {})
    assert answer.status == 409
    assert "no decision of ann" in answer.text


def test_a_label_is_questioned_and_nothing_else_changes(visitor: Visitor) -> None:
    answer = visitor.ask("/source/2/label", {"looks": "FRI WAT", "note": "bent"})
    assert answer.status == 303
    assert visitor.rows()[0].note == "looks like FRI WAT: bent"
    assert visitor.rows()[0].verdict == "label"
    assert visitor.ask("/queue").headers["location"] == "/source/0"  # it is still to be judged
    assert visitor.ask("/source/2/label", {"looks": "<b>"}).status == 400
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


# What is shown


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


@pytest.mark.parametrize("kind", ["linear.png", "asinh.png", "log.png", "rms.png", "stamp.png"])
def test_every_picture_is_a_png(visitor: Visitor, kind: str) -> None:
    answer = visitor.ask(f"/cutout/0/1/{kind}")
    assert answer.headers["content-type"] == "image/png"
    assert answer.body.startswith(b"\x89PNG")


def test_an_image_that_went_away_is_shown_as_missing(tmp_path: Path) -> None:
    out = make_build(tmp_path)
    shutil.rmtree(tmp_path / "images")
    snapshot = Store(out).snapshot()
    shown = view_candidate(snapshot, 0, snapshot.build.candidate_rows(0)[0])
    assert "there is no such folder" in shown.problem


def test_a_taken_port_is_one_line(built: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"127\.0\.0\.1:{port}: .*in use.* another --port"):
            review(built, port=port)
