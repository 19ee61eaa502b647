"""Two servers of the review page on one folder, killed at any instant: no judgement is lost."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="needs the extra web")

from builds import command
from label_data import CLASSES, label_names, make_label_build
from mingolotss.candidates.decisions import DecisionLog
from review_data import environment

SOURCES = 12
KILLS = 3


class Reviewer:
    """A person with a server, which is started again whenever it was killed."""

    def __init__(self, out: Path, by: str) -> None:
        self.out, self.by = out, by
        self.server: subprocess.Popen[str] | None = None
        self.acknowledged: list[tuple[str, str]] = []

    def start(self) -> None:
        """Start a server, and open the address that it prints."""
        self.server = subprocess.Popen(
            command("review", str(self.out), "--port", "0", "--by", self.by, "--labels"),
            env=environment(), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.server.stdout is not None
        match = re.search(r"(http://[^/]+)/\S+", self.server.stdout.readline())
        assert match is not None
        visitor = build_opener(HTTPCookieProcessor())
        visitor.open(match[0], timeout=20).close()
        self.place = match[1], visitor

    def kill(self) -> None:
        """Kill the server, as the system would."""
        assert self.server is not None
        self.server.send_signal(signal.SIGKILL)
        self.server.communicate()

    def judge_everything(self, labels: list[int]) -> None:
        """Judge all sources in turn; one that was not acknowledged is judged again."""
        for row, label in enumerate(labels):
            while True:
                try:
                    self._judge(row, label)
                except HTTPError:  # refused: this is no consequence of a kill
                    raise
                except (HTTPException, OSError):
                    time.sleep(0.02)
                    continue
                self.acknowledged.append((label_names(SOURCES)[row], CLASSES[label]))
                break

    def _judge(self, row: int, label: int) -> None:
        root, visitor = self.place
        address = f"{root}/label/{row}"
        with visitor.open(address, timeout=20) as page:
            text = page.read().decode()
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="(\w*)">', text)
        form = urlencode([*hidden, ("class", label)]).encode()
        request = Request(f"{address}/judge", form, {"Origin": root})  # noqa: S310
        with visitor.open(request, timeout=20) as answer:
            answer.read()


@pytest.fixture
def people(tmp_path: Path) -> Iterator[list[Reviewer]]:
    out = make_label_build(tmp_path / "labels", "classes", count=SOURCES)
    people = [Reviewer(out, by) for by in ("ann", "bob")]
    for person in people:
        person.start()
    yield people
    for person in people:
        person.kill()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_every_judgement_that_was_acknowledged_is_in_the_file(
    people: list[Reviewer], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    threads = [
        threading.Thread(
            target=person.judge_everything, args=(rng.integers(0, 3, SOURCES).tolist(),)
        )
        for person in people
    ]
    for thread in threads:
        thread.start()
    kills = 0
    while kills < KILLS and threads[1].is_alive():
        time.sleep(rng.uniform(0.05, 0.4))
        people[1].kill()
        people[1].start()
        kills += 1
    for thread in threads:
        thread.join(60)
    assert kills >= 1
    rows = DecisionLog(people[0].out / "decisions.csv").rows()  # each is complete, or this raises
    for person in people:
        assert len(person.acknowledged) == SOURCES
        own = [(row.source, *row.classes) for row in rows if row.by == person.by]
        # In the order in which they were acknowledged; one that was written but not acknowledged
        # stands before the same one again.
        once = [row for index, row in enumerate(own) if index == 0 or own[index - 1] != row]
        assert once == person.acknowledged
        assert len(own) <= SOURCES + KILLS
