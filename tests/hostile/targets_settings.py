"""Hostile recipes, decisions, exports of classifications, and requests to the review page."""

from __future__ import annotations

import asyncio
import random
import tempfile
from functools import cache
from pathlib import Path

from harness import Target, as_file, mutate

from mingolotss.candidates.decisions import COLUMNS, Decision, DecisionLog
from mingolotss.errors import MingoError
from mingolotss.qa.zooniverse.classifications import TaskChoice, read_classifications
from mingolotss.recipe.load import load_recipe, recipe_text
from zooniverse_exports import classification, write_export

TOML_TOKENS = [
    b'extends = "../../etc/passwd.toml"\n',
    b'extends = "a.toml"\n',
    b'extends = "http://x/y.toml"\n',
    b'extends = "mingolotss"\n',
    b"[" * 3000,
    b"{",
    b"}",
    b'"""',
    b"'''",
    b"\0",
    b"\xff",
    b"= 1e999",
    b"= nan",
    b"= -1",
    b"= 99999999999999999999",
    b'= "$(x)"',
    b"\x1b[2J",
    b"a.b.c = 1\n",
    b"[[x]]\n",
    b"[classes]\n",
    b"x" * 20000,
    b"= 1979-05-27T07:32:00Z",
    b'"\\U0010ffff"',
    b"(a+)+$",
    b"[stamp]\n",
]  # fmt: skip
CSV_TOKENS = [
    b'"',
    b'""',
    b"\r",
    b"\n",
    b"\r\n",
    b",",
    b"\0",
    b"\xff",
    b" ",
    b"undo",
    b"accept",
    b"A",
    b"\xef\xbb\xbf",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    b"x" * 140_000,
]  # fmt: skip


@cache
def _recipes() -> list[bytes]:
    names = ("mingolotss", "mirabest", "lotss", "mingolotss-wide", "mingolotss-dr2", "frdeep-nvss")
    return [recipe_text(name).encode() for name in names]


def recipe_bytes(rng: random.Random) -> bytes:
    """Return a shipped recipe with a few bytes changed."""
    return mutate(rng, rng.choice(_recipes()), TOML_TOKENS)


CLASS_TEXTS = ["", "FRI", "FRI; FRII", '"""a;b""; c"', '"""', '""""""', ";;"]


def decision_bytes(rng: random.Random) -> bytes:
    """Return a file of decisions with a few bytes changed."""
    rows = [",".join(COLUMNS)]
    rows += [
        f"{rng.choice('ABC')},P{rng.randrange(3)},"
        f"{rng.choice(['accept', 'label', 'reject', 'classify', 'confirm'])},"
        f"{rng.choice(['ann', 'bob'])},2026-01-0{rng.randrange(1, 9)},a note,"
        f"{rng.choice(CLASS_TEXTS)}"
        for _ in range(rng.randrange(6))
    ]
    return mutate(rng, "".join(f"{row}\n" for row in rows).encode(), CSV_TOKENS)


def add_decision(path: Path) -> None:
    """Add a decision to a file; if that is confirmed, it is there with all earlier ones."""
    log = DecisionLog(path)
    before = log.rows()
    own = Decision("A", "P1", "accept", "eve", "2026-02-03", "mine")
    log.add(own)
    assert log.rows() == [*before, own]
    assert log.undo("eve", "2026-02-04") == own
    assert log.rows()[: len(before) + 1] == [*before, own]
    judgement = Decision("A", "", "classify", "eve", "2026-02-05", "", ('a";b', " c "))
    log.add(judgement)
    assert log.rows()[-1] == judgement


JSON_TOKENS = [
    b"[" * 100_000, b"{" * 3000, b"}", b"]", b'""', b"null", b"NaN", b"1e999", b"9" * 6000,
    b"\\ud800", b"\0", b"\xff", b'"task"', b'"value"', b'["x"]', b"true", b",,", b"\n", b"\r",
    b"x" * 200_000, b"\x1b[2J",
]  # fmt: skip


@cache
def _classifications() -> bytes:
    """Return a classification export with questions, a drawing and a combined task."""
    combined = [{"task": "T9", "value": [{"task": "T0", "value": "FRI"}]}]
    rows = [
        classification(1, "ann", "A", {"T0": "FRI"}),
        classification(2, "not-logged-in-1", "B", {"T0": ["FRI", "FRII"]}),
        classification(3, "bob", "A", {"T0": None, "T1": [{"x": 1.5}]}),
        classification(4, "cem", "C", combined),
    ]
    return write_export(Path(tempfile.mkdtemp()) / "export.csv", rows).read_bytes()


def classification_bytes(rng: random.Random) -> bytes:
    """Return a classification export with a few bytes changed."""
    return mutate(rng, _classifications(), JSON_TOKENS + CSV_TOKENS)


def read_export(path: Path) -> None:
    """Read the classifications; what is read has names and texts of a bounded length."""
    export = read_classifications(path, TaskChoice(task="T0"))
    for one in export.classifications:
        assert one.user
        assert len(one.user) <= 200
        assert one.source
        assert "\n" not in one.date


HEADERS = [
    b"host: 127.0.0.1:1",
    b"origin: http://127.0.0.1:1",
    b"cookie: mingolotss-1=secret",
    b"cookie: mingolotss-by=%ff%00%0a",
    b"content-length: 99999999",
    b"content-length: -1",
    b"content-length: \xc2\xb2",
    b"host: [::1",
    b"host: 127.0.0.1:1:1",
    b"origin: null",
    b"cookie: a=b; \xff=\xfe; mingolotss-1=s\xe9cret",
    b"hx-request: true",
    b"range: bytes=0-",
    b"content-type: multipart/form-data; boundary=x",
    b"cookie: " + b"a=b; " * 2000,
    b"x-forwarded-for: 1",
    b"accept-encoding: \0",
    b"sec-fetch-site: same-origin",
]  # fmt: skip
PATHS = [
    b"/",
    b"/queue",
    b"/gallery",
    b"/find",
    b"/source/0",
    b"/source/1/decide",
    b"/source/0/label",
    b"/undo",
    b"/who",
    b"/stamp/0.png",
    b"/grey/1.png",
    b"/cutout/0/0/linear.png",
    b"/cutout/0/0/pixels",
    b"/static/style.css",
    b"/static/../x",
    b"/source/" + b"9" * 5000,
    b"/source/-1",
    b"/source/1e3",
    b"/cutout/0/99999999999999999999/x",
    b"/source/\xd9\xa1",
    b"//evil.example/",
    b"/\0",
    b"/static/%2e%2e",
]  # fmt: skip
QUERIES = [
    b"token=secret",
    b"token=\xff",
    b"token=",
    b"class=99999999999999999999",
    b"class=-1",
    b"case=x",
    b"name=" + b"A" * 9000,
    b"why=zzz",
    b"state=%00",
    b"page=999999999999",
    b"page=\xb2",
    b"a&b;c=%",
    b"notice=accept",
    b"name=%ff%fe",
    b"x=1&" * 3000,
]  # fmt: skip
BODIES = [
    b"",
    b"verdict=accept&field=P1&etag=x",
    b"verdict=\xff",
    b"looks=FRI&note=" + b"n" * 5000,
    b"by=%0d%0aSet-Cookie: a=b",
    b"back=//evil.example",
    b"x=1&" * 100,
    b"a" * 70_000,
    b"%",
    b"\0" * 99,
    b"verdict=reject&etag=",
    b"by=%f0%9f%8c%8c",
    b"verdict=reject&note=%ed%a0%80",
]  # fmt: skip


def request_bytes(rng: random.Random) -> bytes:
    """Return a request line, headers and a body, of which a few bytes are changed."""
    method = rng.choice([b"GET", b"GET", b"POST", b"POST", b"HEAD", b"PUT", b"TRACE", b"\xff"])
    target = rng.choice(PATHS)
    if rng.random() < 0.5:
        target += b"?" + rng.choice(QUERIES)
    headers = [*HEADERS[:3], *rng.sample(HEADERS, rng.randrange(3))]
    head = b"\r\n".join([method + b" " + target + b" HTTP/1.1", *headers, b"", b""])
    raw = head + rng.choice(BODIES)
    return mutate(rng, raw, HEADERS + PATHS + QUERIES) if rng.random() < 0.7 else raw


@cache
def _application() -> tuple[object, Path]:
    """Return the application of a small build, and its file of decisions."""
    import tempfile

    from mingolotss.qa.review.app import create_app
    from mingolotss.qa.review.state import Store
    from review_data import make_build

    build = make_build(Path(tempfile.mkdtemp(prefix="review-")))
    store = Store(build)
    app = create_app(store, token="secret", hosts={"127.0.0.1:1"}, by="ann")  # noqa: S106
    return app, store.log.path


def ask(path: Path) -> None:
    """Send a request to the application as its server would, and check the answer."""
    raw = path.read_bytes()
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    method, target, *_ = (*line.split(b" "), b"", b"")
    address, _, query = target.partition(b"?")
    pairs = [one.partition(b":") for one in lines]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1",
        "method": method.decode("latin-1").upper(), "scheme": "http",
        "path": _unquoted(address), "raw_path": address, "query_string": query, "root_path": "",
        "headers": [(name.strip().lower(), value.strip()) for name, _, value in pairs],
        "client": ("127.0.0.1", 9), "server": ("127.0.0.1", 1),
    }  # fmt: skip
    sent: list[dict[str, object]] = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, object]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    app, decisions = _application()
    before = DecisionLog(decisions).rows()
    asyncio.run(app(scope, receive, send))
    status = sent[0]["status"] if sent else 400
    assert status != 500, sent
    after = DecisionLog(decisions).rows()
    assert after[: len(before)] == before
    if status >= 400:
        assert after == before
        raise MingoError(f"status {status}")


def _unquoted(address: bytes) -> str:
    from urllib.parse import unquote

    return unquote(address.decode("latin-1"))


TARGETS = {
    "recipe": Target(as_file("a.toml", recipe_bytes), load_recipe),
    "decisions": Target(as_file("decisions.csv", decision_bytes), add_decision),
    "classifications": Target(
        as_file("export.csv", classification_bytes), read_export, prepare=_classifications
    ),
    "review": Target(as_file("request", request_bytes), ask, prepare=_application),
}
