"""Two people judge labels in a real Chromium, one server is killed, and a build follows them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("selenium", reason="needs the extra browser")
pytest.importorskip("sklearn", reason="needs the extra suspects")

from sklearn.metrics import cohen_kappa_score

from browsing import Browser, Serve, Server, find, heading, press, until, wait_for
from builds import run
from label_data import CLASSES, build_labels, label_names, make_label_build
from mingolotss.candidates.decisions import DecisionLog, judgements_in_force
from mingolotss.dataset.manifest import read_manifest

pytestmark = pytest.mark.web

SOURCES = 20
NAMES = label_names(SOURCES)
RULE = '[judgements]\nrule = "majority"\nreviewers = 2\nties = "unlabelled"'
KILLED_AFTER = 11  # judgements of bob


def _answers() -> dict[str, dict[str, int]]:
    """Return the label that each person gives to each source; they agree on many."""
    rng = np.random.default_rng(19)
    ann = rng.integers(0, 3, SOURCES)
    bob = np.where(rng.random(SOURCES) < 0.6, ann, rng.integers(0, 3, SOURCES))
    people = {"ann": ann.tolist(), "bob": bob.tolist()}
    return {by: dict(zip(NAMES, labels, strict=True)) for by, labels in people.items()}


def _wait_for_progress(browser: Browser, judged: int) -> None:
    """Wait until the page says how many sources its reader has judged, and is complete."""
    progress = f"{judged} of {SOURCES} judged by you"
    until(browser, lambda: find(browser, "#progress").text == progress)
    wait_for(browser, heading(browser))


def _go_on_after_a_kill(browser: Browser, serve: Serve, server: Server) -> None:
    """Kill the server of an open page; the reader is told, and goes on with the same source."""
    server.kill()
    source = heading(browser)
    press(browser, "1")
    until(browser, lambda: "does not answer" in find(browser, "#problem").text)
    browser.get(serve(server.out, "--blind", by="bob").address)
    wait_for(browser, source)


def _label_in_turn(
    browser: Browser, serve: Serve, out: Path, answers: dict[str, dict[str, int]]
) -> None:
    """Let both people label all sources by keys, each in a tab, with a server each."""
    servers = {"ann": serve(out, "--labels", by="ann"), "bob": serve(out, "--blind", by="bob")}
    tabs = {}
    for by, server in servers.items():
        browser.switch_to.new_window("tab")
        tabs[by] = browser.current_window_handle
        browser.get(server.address)
    for number in range(SOURCES):
        for by, tab in tabs.items():
            browser.switch_to.window(tab)
            _wait_for_progress(browser, number)
            if (by, number) == ("bob", KILLED_AFTER):
                _go_on_after_a_kill(browser, serve, servers[by])
                _wait_for_progress(browser, number)
            press(browser, str(answers[by][heading(browser)] + 1))
    for tab in tabs.values():
        browser.switch_to.window(tab)
        wait_for(browser, "You have judged every source")


def test_two_people_label_twenty_sources_each_and_one_server_is_killed(
    browser: Browser, serve: Serve, tmp_path: Path
) -> None:
    """Nothing is lost, kappa is that of scikit-learn, and the next build has the labels."""
    out = make_label_build(tmp_path / "two", "classes", count=SOURCES, more=RULE)
    before = shutil.copytree(out, tmp_path / "before")
    answers = _answers()
    _label_in_turn(browser, serve, out, answers)

    rows = DecisionLog(out / "decisions.csv").rows()
    assert len(rows) == 2 * SOURCES
    classes = {
        name: {by: row.classes for by, row in people.items()}
        for name, people in judgements_in_force(rows).items()
    }
    assert classes == {
        name: {by: (CLASSES[given[name]],) for by, given in answers.items()} for name in NAMES
    }

    assert run("agreement", out, "--json", tmp_path / "agreement.json").returncode == 0
    [pair] = json.loads((tmp_path / "agreement.json").read_text())["pairs"]
    ann, bob = ([given[name] for name in NAMES] for given in answers.values())
    kappa = cohen_kappa_score(ann, bob)
    assert 0.2 < kappa < 0.8
    assert pair["kappa"]["value"] == pytest.approx(kappa, abs=1e-12)
    differ = {name for name in NAMES if len(set(classes[name].values())) == 2}
    assert (pair["sources"], pair["agreeing"]) == (SOURCES, SOURCES - len(differ))

    browser.get(serve(out, "--disagreements", by="cleo").address)
    until(browser, lambda: f"0 of {len(differ)} judged" in find(browser, "#progress").text)
    assert heading(browser) in differ
    assert find(browser, ".judgements").text.splitlines()[0].startswith("ann: ")

    build_labels(tmp_path / "two")
    table = read_manifest(out).to_pydict()
    labels = dict(zip(table["source"], table["label"], strict=True))
    assert labels == {name: None if name in differ else answers["ann"][name] for name in NAMES}
    origins = dict(zip(table["source"], table["label_from"], strict=True))
    assert origins == {
        name: "people: no result (majority), 1 of 2"
        if name in differ
        else "people: majority, 2 of 2"
        for name in NAMES
    }

    compared = run("compare", before, out, "--table", tmp_path / "differences.csv")
    assert compared.returncode == 1
    assert "people" in compared.stdout
    changed = {name for row, name in enumerate(NAMES) if labels[name] != row % len(CLASSES)}
    with (tmp_path / "differences.csv").open(newline="") as stream:
        named = {value for row in csv.reader(stream) for value in row} & set(NAMES)
    assert changed
    assert changed <= named
