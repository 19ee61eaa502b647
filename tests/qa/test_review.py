"""The review page without a browser: access, what is written, what is refused, what is shown."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.request import HTTPCookieProcessor, build_opener

import numpy as np
import pytest
from PIL import Image

from builds import command, run
from mingolotss.candidates.decisions import Decision, DecisionLog, read_decisions
from mingolotss.errors import DecisionError, InputError
from mingolotss.io.fits import read_image
from mingolotss.qa.audit.document import write_audit
from mingolotss.qa.audit.result import Audit, AuditedDataset, Check, Member, Pair
from mingolotss.qa.report.build_view import BuildView
from mingolotss.qa.review import gallery
from mingolotss.qa.review.candidate_view import view_source
from mingolotss.qa.review.filters import Filter
from review_data import (
    CARD,
    HOSTILE,
    UNDECIDED,
    environment,
    make_build,
    make_build_of_scales,
    make_own_build,
    names,
    rebuild,
    write_image,
)

pytest.importorskip("uvicorn", reason="needs the extra web")

from mingolotss.qa.review.guard import MAX_BODY_BYTES
from mingolotss.qa.review.server import review
from mingolotss.qa.review.state import Store
from review_visitor import TOKEN, Visitor, serve


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_build(tmp_path_factory.mktemp("review"))


@pytest.fixture
def visitor(built: Path, tmp_path: Path) -> Iterator[Visitor]:
    """A visitor of a copy of the build."""
    with serve(shutil.copytree(built, tmp_path / "out")) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def reader(built: Path) -> Iterator[Visitor]:
    """A visitor whom the tests share that write nothing."""
    with serve(built) as visitor:
        yield visitor
    assert not (built / "decisions.csv").exists()


# Access


@pytest.mark.parametrize("path", ["/", "/queue", "/source/0", "/gallery", "/stamp/0.png",
                                  "/static/style.css", "/nowhere"])  # fmt: skip
def test_without_the_token_nothing_is_shown(reader: Visitor, path: str) -> None:
    stranger = Visitor(reader.port, reader.out)
    response = stranger.ask(path)
    assert response.status == 403
    assert "token" in response.text
    assert names()[0] not in response.text


def test_a_wrong_token_is_refused_and_no_cookie_given(reader: Visitor) -> None:
    response = Visitor(reader.port, reader.out).ask("/?token=the-tokeN")
    assert response.status == 403
    assert "set-cookie" not in response.headers


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(
    reader: Visitor,
) -> None:
    response = reader.ask(f"/gallery?class=1&token={TOKEN}")
    assert response.headers["location"] == "/gallery?class=1"
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_the_token_never_leads_to_another_site(reader: Visitor) -> None:
    response = reader.ask(f"//evil.example/x?token={TOKEN}")
    assert not response.headers.get("location", "/").startswith("//")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1:1",
                                  "127.0.0.1.evil.example:{port}", "0.0.0.0:{port}"])  # fmt: skip
def test_a_foreign_host_is_refused(reader: Visitor, host: str) -> None:
    response = reader.ask("/source/0", Host=host.format(port=reader.port))
    assert response.status == 403
    assert names()[0] not in response.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1",
                                    "https://127.0.0.1.evil.example", ""])  # fmt: skip
def test_a_decision_from_another_page_is_refused(reader: Visitor, origin: str) -> None:
    form = {"verdict": "accept", "field": "P1", "etag": reader.etag(0)}
    response = reader.ask("/source/0/decide", form, Origin=origin)
    assert response.status == 403
    assert reader.rows() == []


def test_a_page_elsewhere_cannot_read_either(reader: Visitor) -> None:
    response = reader.ask("/source/0", Origin="http://evil.example")
    assert response.status == 403
    assert "access-control-allow-origin" not in reader.ask("/source/0").headers


def test_the_browser_is_told_to_run_only_the_pages_own(reader: Visitor) -> None:
    for path in ("/source/0", "/gallery", "/nowhere", "/stamp/0.png"):
        headers = reader.ask(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_too_large_a_form_is_refused(reader: Visitor) -> None:
    response = reader.ask("/source/0/decide", {"note": "x" * (MAX_BODY_BYTES + 1)})
    assert response.status == 413
    assert reader.rows() == []


# Addresses


@pytest.mark.parametrize("path", [
    "/static/../review/app.py", "/static/..%2f..%2fdecisions.py", "/static/%2e%2e/app.py",
    "/static/....//app.py", "/stamp/../../etc/passwd", "/stamp/..%2f..%2fetc%2fpasswd.png",
    "/cutout/0/0/..%2f..%2frecipe.toml", "/cutout/0/99/asinh.png", "/cutout/0/0/nothing.png",
    "/source/999", "/source/-1", "/source/0%2f..%2f1", "/stamp/15.png/../../recipe.toml",
    "/grey/999.png", "/cutout/0/18446744073709551617/asinh.png",
])  # fmt: skip
def test_no_address_reaches_a_file(reader: Visitor, path: str) -> None:
    response = reader.ask(path)
    assert response.status in {403, 404}
    for secret in ("root:", "import ", "[recipe", "[build"):
        assert secret not in response.text


def test_names_and_headers_are_text_never_html(reader: Visitor) -> None:
    row = names().index(HOSTILE)
    for path in (f"/source/{row}", "/gallery", "/find?name=script", f"/queue?name={HOSTILE}",
                 f"/source/{row}?name=%3Cscript%3Ealert(1)&notice=any%20text"):  # fmt: skip
        text = reader.ask(path).text
        assert HOSTILE not in text
        assert CARD not in text
        assert "<script>alert" not in text
        assert "any text" not in text
    page = reader.ask(f"/source/{row}").text
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
def test_what_no_build_could_follow_is_refused(reader: Visitor, form: dict[str, str]) -> None:
    response = reader.ask("/source/0/decide", form | {"etag": reader.etag(0)})
    assert response.status == 400
    assert reader.rows() == []


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


# The name of the reviewer


def test_the_name_is_that_of_the_form_and_stays_for_the_next_page(visitor: Visitor) -> None:
    """A name in the form goes before that of the cookie, which the response then replaces."""
    for row, name in enumerate(["Zoë  Ann", "bob"]):
        form = {"verdict": "accept", "field": "P1", "etag": visitor.etag(row), "by": name}
        response = visitor.ask(f"/source/{row}/decide", form)
        key, _, rest = response.headers["set-cookie"].partition("=")
        visitor.cookies[key] = rest.partition(";")[0]
        assert "httponly" not in rest.lower()  # the script of the page writes it, too
    assert [row.by for row in visitor.rows()] == ["Zoë Ann", "bob"]
    assert 'value="bob"' in visitor.ask("/source/2").text
    visitor.ask("/undo", {"by": " Zoë\tAnn "})
    assert [row.by for row in DecisionLog(visitor.out / "decisions.csv").standing()] == ["bob"]


@pytest.mark.parametrize("back", ["", "?back=gallery"])
def test_without_a_name_nothing_is_written(reader: Visitor, back: str) -> None:
    form = {"verdict": "accept", "field": "P1", "etag": reader.etag(0), "by": "  \t"}
    response = reader.ask(f"/source/0/decide{back}", form)
    assert response.status == 400
    assert "write your name first" in response.text
    assert reader.rows() == []


# Labels


def test_a_label_is_confirmed_and_nothing_else_changes(visitor: Visitor) -> None:
    label = BuildView.read(visitor.out).record(2)["class"]
    form = {"verdict": "confirm", "label": label, "note": "clear"}
    response = visitor.ask("/source/2/decide?why=all", form)
    assert response.headers["location"] == "/source/2?why=all&notice=confirm"
    assert (visitor.rows()[0].verdict, visitor.rows()[0].note) == ("confirm", f"is {label}: clear")
    snapshot = Store(visitor.out).snapshot()
    assert not snapshot.judged.any()
    assert snapshot.waiting == 0
    assert snapshot.rows(Filter("all", state="confirmed")).tolist() == [2]
    assert 2 not in snapshot.rows(Filter("all", state="unchecked"))
    assert read_decisions(visitor.out / "decisions.csv") == {}


def test_unchecked_labels_are_gone_through_one_by_one(visitor: Visitor) -> None:
    """The last word about a label counts, and the queue goes on at the start after the end."""
    build, query = BuildView.read(visitor.out), "why=all&state=unchecked"
    unchecked = Store(visitor.out).snapshot().rows(Filter("all", state="unchecked")).tolist()
    assert unchecked == np.flatnonzero(build.labels >= 0).tolist()
    form = {"verdict": "confirm", "label": build.record(unchecked[-1])["class"]}
    response = visitor.ask(f"/source/{unchecked[-1]}/decide?{query}", form)
    assert response.headers["location"].startswith(f"/source/{unchecked[0]}?{query}")
    questioned = {"verdict": "label", "looks": "FRI"}
    visitor.ask(f"/source/{unchecked[-1]}/decide?{query}", questioned)
    snapshot = Store(visitor.out).snapshot()
    assert snapshot.rows(Filter("all", state="questioned")).tolist() == unchecked[-1:]
    assert snapshot.rows(Filter("all", state="confirmed")).size == 0


def test_another_label_than_that_of_the_page_is_not_confirmed(reader: Visitor) -> None:
    """A build with other classes can replace the one that the reviewer saw."""
    response = reader.ask("/source/2/decide", {"verdict": "confirm", "label": "FRI NAT"})
    assert response.status == 400
    assert "load the page again" in response.text
    assert reader.rows() == []


# Images without a field


@pytest.mark.slow
def test_an_image_without_a_field_is_accepted_and_the_build_follows(tmp_path: Path) -> None:
    for row, name in enumerate(["A", "B"]):
        write_image(tmp_path / f"{name}.fits", 150.0 + row, 50.0)
    out = make_own_build(tmp_path, ["A", "B"])
    with serve(out) as visitor:
        page = visitor.ask("/source/0").text
        accept = page[page.index('value="accept"') :].split(">")[0]
        assert "disabled" not in accept
        form = {"verdict": "accept", "field": "", "etag": visitor.etag(0)}
        assert visitor.ask("/source/0/decide", form).status == 303
        assert visitor.rows()[0].field == ""
        buttons = _buttons(visitor.ask("/gallery").text, row=1)
        assert set(buttons) == {"accept", "reject"}
        assert visitor.ask(buttons["accept"], {"verdict": "accept", "by": "bob"}).status == 303
        assert Store(out).snapshot().waiting == 2
        make_own_build(tmp_path, ["A", "B"])
        assert [r["decided_by"] for r in BuildView.read(out).records([0, 1])] == ["ann", "bob"]
        assert Store(out).snapshot().waiting == 0


def test_an_accepted_source_whose_images_have_fields_needs_one(tmp_path: Path) -> None:
    write_image(tmp_path / "A_P1.fits", 150.0, 50.0)
    (tmp_path / "out").mkdir()
    DecisionLog(tmp_path / "out/decisions.csv").add(Decision("A", "", "accept", "ann"))
    with pytest.raises(DecisionError, match="accepts without naming a field; on offer: P1"):
        make_own_build(tmp_path, ["A"], image="{source}_{field}.fits")


# The gallery


def test_a_decision_in_the_gallery_changes_its_stamp(visitor: Visitor) -> None:
    buttons = _buttons(visitor.ask("/gallery?state=open").text, row=3)
    assert set(buttons) == {"accept", "reject", "confirm"}
    response = visitor.ask(buttons["accept"], {"verdict": "accept"})
    assert response.headers["location"] == "/gallery?why=all&state=open#tile-3"
    # The script of the page asks for the stamp alone.
    buttons = _buttons(visitor.ask("/gallery?state=judged").text, row=3)
    tile = visitor.ask(buttons["confirm"], {"verdict": "confirm"}, HX_Request="true").text
    assert tile.count("<li") == 1
    assert "<html" not in tile
    assert "accepted P1 by ann" in tile
    assert "confirmed" in tile
    assert [row.verdict for row in visitor.rows()] == ["accept", "confirm"]


def test_two_decisions_in_the_gallery_lose_nothing(visitor: Visitor) -> None:
    buttons = _buttons(visitor.ask("/gallery").text, row=3)
    assert visitor.ask(buttons["accept"], {"verdict": "accept"}, HX_Request="true").status == 200
    response = visitor.ask(buttons["reject"], {"verdict": "reject"}, HX_Request="true")
    assert response.status == 409
    assert "nothing was written" in response.text
    assert "accepted P1 by ann" in response.text
    again = _buttons(response.text, row=3)
    assert visitor.ask(again["reject"], {"verdict": "reject"}, HX_Request="true").status == 200
    assert [row.verdict for row in visitor.rows()] == ["accept", "reject"]


def test_the_next_page_of_the_gallery_skips_nothing(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decisions take stamps out of the filter; the next page begins after the last one shown."""
    monkeypatch.setattr(gallery, "_PER_PAGE", 4)
    first = visitor.ask("/gallery?state=open").text
    shown, after = _tiles(first), _link(first, "next")
    for row in shown:
        visitor.ask(_buttons(first, row)["reject"], {"verdict": "reject"})
    second = visitor.ask(after).text
    written = np.flatnonzero(BuildView.read(visitor.out).written).tolist()
    assert shown == written[:4]
    assert _tiles(second) == written[4:8]
    assert _tiles(visitor.ask("/gallery?state=judged").text) == shown
    assert _link(second, "next").endswith(f"from={written[8]}")
    assert _tiles(visitor.ask(f"/gallery?state=open&from={shown[0]}").text) == written[4:8]
    assert _tiles(visitor.ask("/gallery?from=99999").text) == written[:4]


def test_the_gallery_keeps_the_reason_of_its_filter(
    reader: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "_PER_PAGE", 4)
    first = reader.ask("/gallery?why=any").text
    assert "why=any" in _link(first, "next")


def _tiles(page: str) -> list[int]:
    return [int(text.split('"')[0]) for text in page.split('id="tile-')[1:]]


def _link(page: str, rel: str) -> str:
    before, _, _ = page.partition(f'rel="{rel}"')
    return unescape(before.rpartition('href="')[2].split('"')[0])


def _buttons(page: str, row: int) -> dict[str, str]:
    """Return the address of each button of a stamp, by its verdict."""
    tile = page.partition(f'id="tile-{row}"')[2].partition("</li>")[0]
    return {
        text.split('"')[0]: unescape(text.partition('formaction="')[2].split('"')[0])
        for text in tile.split(' name="verdict" value="')[1:]
    }


# Decisions that wait for a build


@pytest.mark.slow
def test_decisions_wait_until_a_build_follows_them(tmp_path: Path) -> None:
    """The page sees the new build; a source that has no image needs no build to be left out."""
    out = make_build(tmp_path)
    store = Store(out)
    assert store.snapshot().waiting == 0
    for name, accepted, verdict in [
        (names()[0], "P2", "accept"), (names()[1], "", "reject"), (names()[2], "P1", "accept"),
        ("LOST", "", "reject"),
    ]:  # fmt: skip
        decision = Decision(name, accepted, verdict, "ann", "2026-01-02", "why not")
        store.decide(decision, store.snapshot().decisions.etag(name))
    assert store.snapshot().waiting == 3
    rebuild(tmp_path)
    assert store.snapshot().waiting == 0
    first, second, third = store.snapshot().build.records([0, 1, 2])
    assert (first["field"], first["decided_by"], first["undecided"]) == ("P2", "ann", False)
    assert (second["status"], second["reason"]) == ("rejected", "rejected by ann: why not")
    assert (third["field"], third["decided_by"]) == ("P1", "ann")
    for name in names()[:3]:
        store.log.undo("ann", "", name)
    assert store.snapshot().waiting == 3
    rebuild(tmp_path)
    assert store.snapshot().waiting == 0


# Pages


def test_the_queue_goes_on_where_nobody_has_judged(visitor: Visitor) -> None:
    for row in range(3):
        assert visitor.ask("/queue").headers["location"] == f"/source/{row}"
        visitor.ask(f"/source/{row}/decide", {"verdict": "reject", "etag": visitor.etag(row)})
    for row in range(3, len(names())):
        DecisionLog(visitor.out / "decisions.csv").add(Decision(names()[row], "", "reject", "bob"))
    assert "Every source has a decision" in visitor.ask("/queue").text


@pytest.mark.parametrize(("query", "count"), [
    ("why=undecided", UNDECIDED), ("why=recentred", 1), ("why=blank", 1), ("why=rejected", 1),
    ("why=exceeds_stamp", 1), ("why=all", len(names())), ("why=all&name=iltj0", 10),
    ("why=all&case=4", UNDECIDED), ("why=all&name=nobody", 0),
])  # fmt: skip
def test_filters_let_through_what_they_say(built: Path, query: str, count: int) -> None:
    snapshot = Store(built).snapshot()
    selection = Filter.parse(dict(pair.split("=") for pair in query.split("&")))
    assert len(snapshot.rows(selection)) == count


def test_the_pixels_under_the_pointer_are_the_files_own(reader: Visitor) -> None:
    view = BuildView.read(reader.out)
    for index, row in enumerate(view.candidate_rows(0)):
        body = reader.ask(f"/cutout/0/{index}/pixels").body
        nx, ny, has = struct.unpack("<III", body[:12])
        planes = np.frombuffer(body[12:], "<f4").reshape(1 + has, ny, nx)
        image = read_image(Path(row.candidate.image))
        rms = read_image(Path(row.candidate.rms))
        assert np.array_equal(planes[0], image.data.astype("<f4"), equal_nan=True)
        assert np.array_equal(planes[1], rms.data.astype("<f4"), equal_nan=True)


def test_the_sky_under_the_pointer_is_the_headers_own(reader: Visitor) -> None:
    page = reader.ask("/source/0").text
    grid = np.array(json.loads(unescape(page.split('data-grid="')[1].split('"')[0])))
    row = BuildView.read(reader.out).candidate_rows(0)[0]
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


def test_every_picture_of_a_page_is_a_png(reader: Visitor) -> None:
    addresses = [
        unescape(text.split('"')[0])
        for text in reader.ask("/source/0").text.split('<image href="')[1:]
    ]
    assert len(addresses) == 2 * 5
    for address in addresses:
        response = reader.ask(address)
        assert response.headers["content-type"] == "image/png", address
        assert response.body.startswith(b"\x89PNG")


@pytest.mark.slow
def test_candidates_are_shown_at_one_scale(tmp_path: Path) -> None:
    """One width on the sky and one contrast, whatever pixels and peaks the images have."""
    snapshot = Store(make_build_of_scales(tmp_path)).snapshot()
    view = view_source(snapshot, 0)
    assert view.scale is not None
    # The widest stamp has 150 pixels of 3 arcsec, and the source is in the pixel 75.
    assert view.scale.stamp_arcsec == pytest.approx(151 * 3.0)
    assert view.scale.arcsec == view.scale.stamp_arcsec
    peaks = [np.nanmax(read_image(Path(one.row.candidate.image)).data) for one in view.candidates]
    assert view.scale.contrast.high == pytest.approx(max(peaks))
    assert view.scale.contrast.noise == min(one.noise for one in view.candidates)
    with serve(snapshot.build.folder.path) as visitor:
        page = unescape(visitor.ask("/source/0").text)
    drawings = [text.split('"')[0].split() for text in page.split('data-view="')[1:]]
    widths = {round(float(side) * float(scale), 6) for _, _, side, scale in drawings}
    assert len(drawings) == 3 * 5
    assert widths == {round(view.scale.arcsec, 6)}  # stamps and pictures are equally wide here
    for kind in ("linear", "asinh", "log", "rms"):
        queries = [text.split('"')[0] for text in page.split(f"/{kind}.png?")[1:]]
        assert len(queries) == 3
        assert len(set(queries)) == 1


def test_a_brighter_contrast_gives_the_picture_that_it_says(reader: Visitor) -> None:
    """A picture has its colours by the brightness at their ends, and NaN is transparent."""
    image = read_image(Path(BuildView.read(reader.out).candidate_rows(0)[0].candidate.image)).data
    address = "/cutout/0/0/linear.png?noise=1e-4&low=-1e-3&high=2e-3"
    picture = Image.open(io.BytesIO(reader.ask(address).body))
    level = np.clip((image[::-1].astype(float) + 1e-3) / 3e-3, 0, 1)
    expected = np.where(np.isnan(level), 0, 1 + 254 * np.nan_to_num(level)).astype(int)
    assert picture.info["transparency"] == 0
    assert abs(np.asarray(picture).astype(int) - expected).max() <= 1
    for query in ("", "noise=1&low=2&high=1", "noise=0&low=0&high=1", "noise=1&low=0&high=inf"):
        assert reader.ask(f"/cutout/0/0/linear.png?{query}").status == 404


def test_an_image_that_went_away_is_shown_as_missing(tmp_path: Path) -> None:
    write_image(tmp_path / "A.fits", 150.0, 50.0)
    out = make_own_build(tmp_path, ["A"])
    (tmp_path / "A.fits").unlink()
    shown = view_source(Store(out).snapshot(), 0)
    assert shown.scale is None
    assert ["A.fits" in one.problem for one in shown.candidates] == [True]


@pytest.mark.slow
def test_a_taken_port_is_one_line(built: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"127\.0\.0\.1:{port}: .*in use.* another --port"):
            review(built, port=port)


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("other", [False, True], ids=["own decisions", "a file elsewhere"])
def test_the_page_and_the_terminal_say_how_to_apply_decisions(tmp_path: Path, other: bool) -> None:
    """The command that both name does it, also for decisions in a file elsewhere."""
    write_image(tmp_path / "A.fits", 150.0, 50.0)
    out = make_own_build(tmp_path, ["A"])
    path = tmp_path / "team's.csv" if other else out / "decisions.csv"
    options = ["--decisions", str(path)] if other else []
    server = subprocess.Popen(
        command("review", out, "--port", "0", *options),
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    address = server.stdout.readline().split()[2]
    DecisionLog(path).add(Decision("A", "", "reject", "ann"))
    visitor = build_opener(HTTPCookieProcessor())
    with visitor.open(address, timeout=20) as response:
        page = unescape(response.read().decode())
    server.send_signal(signal.SIGINT)
    printed, _ = server.communicate(timeout=20)
    last = printed.splitlines()[-1]
    sentence, _, words = last.partition("; to apply the decisions:  ")
    assert sentence == "The decision about 1 source is not applied yet"
    assert f"{sentence}. To apply the decisions: <code>{words}</code>" in page
    program, *arguments = shlex.split(words)
    assert program == "mingolotss"
    done = run(*arguments, "--max-rejected", "1")
    assert done.returncode == 0, done.stderr
    assert BuildView.read(out).record(0)["reason"] == "rejected by ann"


@pytest.mark.slow
def test_without_a_library_the_page_names_the_extra() -> None:
    """The package can be imported; only serving the page needs its libraries."""
    libraries = ["starlette", "uvicorn", "contourpy"]
    code = (
        "import sys; import mingolotss.qa.review\n"
        "from mingolotss.qa.review.server import review\n"
        f"for library in {libraries}:\n"
        "    sys.modules[library] = None\n"
        "    try:\n        review('folder')\n"
        "    except ImportError as error:\n        print(error)\n"
        "    del sys.modules[library]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    for library, line in zip(libraries, lines, strict=True):
        assert line.startswith(f"serve the review page: this needs {library}")
        assert line.endswith("pip install 'mingolotss[web]'")


def write_found_pairs(out: Path) -> None:
    """Write an audit that found the hostile source beside another, and one of another dataset."""
    build = AuditedDataset(
        "A", "out", "build", 16, {}, digest=hashlib.sha256((out / "manifest.parquet").read_bytes())
        .hexdigest(),
    )  # fmt: skip
    other = AuditedDataset("B", "other", "export", 16, {})
    pairs = (
        Pair(Member("A", names()[0], "train", "FRI"), Member("A", HOSTILE, "test", "FRII"), 3.21),
        Pair(Member("A", names()[1]), Member("B", CARD), None, "turned by 90°"),
    )
    check = Check("same-position", ("A",), 1, "1 pair", pairs[:1])
    twins = Check("twins", ("A", "B"), 1, "1 pair", pairs[1:])
    good = Check("labels", ("A",), 0, "", (Pair(Member("A", names()[5]), Member("A", "LOST")),))
    write_audit(out / "audit.json", Audit((build, other), (check, good, twins)))


def test_the_queue_of_the_audit_has_what_it_found_side_by_side(visitor: Visitor) -> None:
    """Both sources of a pair, each with the stamp of the other; names from outside stay text."""
    assert "found by the audit" not in visitor.ask("/source/0").text
    write_found_pairs(visitor.out)
    rows = [names().index(name) for name in (names()[0], names()[1], HOSTILE)]
    page = visitor.ask(f"/source/{rows[0]}?why=audit").text
    assert "<b>1</b> of 3" in page
    section = page.split('<h2 id="audited">')[1].split("</section>")[0]
    assert f'href="/source/{rows[2]}?why=audit"' in section
    assert section.count("<img") == 2
    assert "<b>positions</b> at 3.2″" in section
    assert "(test, FRII); this source: train" in section
    assert HOSTILE not in section
    assert HOSTILE in unescape(section).replace("<wbr>", "")
    page = visitor.ask(f"/source/{rows[1]}?why=audit").text
    section = page.split('<h2 id="audited">')[1].split("</section>")[0]
    assert "<b>twins</b>, turned by 90°" in section
    assert "in another dataset (no split); this source" in section
    assert CARD not in section
    assert "Found by the audit" not in visitor.ask("/source/5").text
    assert visitor.ask("/gallery?why=audit").text.count('class="tile') == 3


def test_a_page_does_not_show_the_audit_of_another_state(visitor: Visitor) -> None:
    write_found_pairs(visitor.out)
    path = visitor.out / "audit.json"
    path.write_text(re.sub(r'"digest": "\w+"', '"digest": "0"', path.read_text()))
    assert "Found by the audit" not in visitor.ask("/source/0").text


def test_a_damaged_audit_is_an_error_page_of_one_line(visitor: Visitor) -> None:
    (visitor.out / "audit.json").write_text("{")
    response = visitor.ask("/source/0")
    assert response.status == 500
    assert "run `mingolotss audit` again" in unescape(response.text)


def test_a_queue_that_does_not_exist_is_refused(built: Path) -> None:
    with pytest.raises(InputError, match="no queue 'x'; there are any, all, audit, undecided"):
        review(built, queue="x")
