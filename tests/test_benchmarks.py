"""The programs under ``benchmarks`` measure what they say."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
CHILD = "import time; end = time.process_time() + {0}\nwhile time.process_time() < end: pass"


@pytest.fixture
def benchmark(monkeypatch):
    """Return a function that imports a module of the folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return import_module


@needs_proc
def test_the_time_of_orphans_is_counted(benchmark):
    """A command starts a process and ends before it does: the processor is that of both."""
    watch = benchmark("watch").watch
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])\n"
    code += "print('words')\nprint('{\"sources\": 3}')"
    ended = watch([sys.executable, "-c", code, CHILD.format(0.5)])
    assert ended.report == {"sources": 3}
    assert ended.processor > 0.5  # the process that was started takes 0.5 s, and its caller less
    with pytest.raises(SystemExit, match=r"ended with 3:\nwhy"):
        watch([sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"])


BUSY = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from machine import busy
with busy(1):
    (children,) = Path("/proc/self/task").glob("*/children")
    print(children.read_text(), flush=True)
    time.sleep(60)
"""


@needs_proc
def test_busy_processes_end_with_the_benchmark():
    """One that is killed leaves none of them behind."""
    command = [sys.executable, "-c", BUSY, str(FOLDER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        state = Path(f"/proc/{int(process.stdout.readline())}/stat")
        assert state.exists()
        process.kill()
    end = time.monotonic() + 20
    while state.exists() and state.read_text().split()[2] != "Z":
        assert time.monotonic() < end
        time.sleep(0.02)


def test_ratios_are_taken_within_a_round(benchmark):
    """The machine is slower in the second round, and the ratio of two programs stays 2."""
    rounds = benchmark("rounds")
    slow = [rounds.Run(100, job, job + 1, job + 1, 5_000_000) for job in (2.0, 20.0, 2.0)]
    fast = [rounds.Run(100, job / 2, (job + 1) / 4, 0.5, 10_000_000) for job in (2.0, 20.0, 2.0)]
    runs = {"one": slow, "two": fast, "two, before": slow}
    lines = rounds.table(runs, "one").splitlines()
    assert lines[2].split(" | ")[1:4] == ["100", "50 (5 to 50)", "1.00 (1.00 to 1.00)"]
    assert lines[3].split(" | ")[3:5] == ["0.50 (0.50 to 0.50)", "0.75 (0.75 to 5.25)"]
    assert lines[3].endswith("| 10 MB |")
    (row,) = rounds.compare_versions(runs).splitlines()[2:]
    assert row.startswith("| two | 2.00 (2.00 to 2.00) | 4.00 (4.00 to 4.00) |")
    many = {"one": [rounds.Run(300, 4.0, 5.0, 5.0, 1)], "two": [rounds.Run(300, 1.5, 2.0, 2.0, 1)]}
    assert rounds.marginal_table(runs, many, "one").splitlines()[2:] == [
        "| one | 1.00 | 10,000 | 1.0 |", "| two | 0.75 | 2,500 | 0.2 |",
    ]  # fmt: skip


def test_every_program_runs_in_turn_in_both_directions(benchmark, tmp_path):
    """An odd round is in reversed order; outputs have new folders, and checkouts their source."""
    rounds, log = benchmark("rounds"), tmp_path / "log"
    code = f"import os, sys; open({str(log)!r}, 'a').write(' '.join([sys.argv[1], "
    code += "str(os.path.exists(sys.argv[2])), os.environ.get('PYTHONPATH', '')]) + '\\n')"
    checkouts = {name: tmp_path / name for name in "ab"}
    programs = [
        rounds.Program(name, [], [sys.executable, "-c", code, name, rounds.OUT], checkout)
        for name, checkout in checkouts.items()
    ]
    runs = rounds.take_turns(programs, 3, tmp_path)
    assert [len(rows) for rows in runs.values()] == [3, 3]
    seen = [line.split(" ") for line in log.read_text().splitlines()]
    assert [line[0] for line in seen] == list("abbaab")
    assert {line[1] for line in seen} == {"False"}
    assert {(line[0], line[2]) for line in seen} == {
        (name, str(checkout / "src")) for name, checkout in checkouts.items()
    }


PASSES = """
import sys, time
sys.path.insert(0, sys.argv[1])
from rounds import answer
answer({"ours": lambda: time.sleep(0.01) or 3, "more": lambda: 1})
"""


def test_passes_of_another_version_take_turns(benchmark, tmp_path):
    """Each is asked for in its round, in a process of its own; the first round is not counted."""
    rounds, script, turns = benchmark("rounds"), tmp_path / "passes.py", []
    script.write_text(PASSES)

    def note(name):
        turns.append(name)
        return 5

    with rounds.OtherVersion(tmp_path, str(script), str(FOLDER)) as before:
        assert before.names == ["ours", "more"]
        asked = before.run
        before.run = lambda name: [turns.append(f"before {name}"), asked(name)][1]
        passes = {name: partial(note, name) for name in ("peer", "ours")}
        text = rounds.compare_passes(passes, 2, before, "images")
    assert turns == [*(order := ["peer", "ours", "before ours"]), *order[::-1], *order]
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
    assert [row.partition(",")[0] for row in rows] == [
        "| images", "| peer", "| ours", "| ours", "| before / after", "| ours",
    ]  # fmt: skip
    script.write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit, match=r"passes\.py.* ended with 3"):
        rounds.OtherVersion(tmp_path, str(script))


def test_another_checkout_runs_its_own_code(benchmark, tmp_path):
    """A build of another checkout is its command, its script and its modules."""
    rounds, cases = benchmark("rounds"), benchmark("cases")
    build = cases.ours("plain", tmp_path / "c", tmp_path, "mosaics", "lotss", "2", "parquet")
    other = rounds.with_version(build, tmp_path)
    assert (other.name, other.checkout) == ("plain, before", tmp_path)
    assert build.job[1] == str(FOLDER / "ours.py")
    assert other.job[1] == str(tmp_path / "benchmarks" / "ours.py")
    assert other.command == build.command
    assert build.command[1:5] == ["build", "lotss", "-c", str(tmp_path / "c")]


def test_the_page_about_performance_takes_the_tables_of_a_run(benchmark, tmp_path):
    """Each mark of the page is a table that `bench.py` makes, and only these are replaced."""
    page = benchmark("page")
    text = (FOLDER.parent / "docs/explanation/performance.md").read_text()
    names = page.names(text)
    tables = benchmark("bench").TABLES
    assert set(names) == {"machine", "few", "further", "instructions", *tables}
    assert len(names) == len(set(names)) == text.count("<!-- end -->")
    copy = tmp_path / "performance.md"
    copy.write_text(text)
    page.write(copy, {"packed": "new"})
    assert "<!-- bench: packed -->\nnew\n<!-- end -->" in copy.read_text()
    page.write(copy, {})
    changed, old = copy.read_text().splitlines(), text.splitlines()
    assert [line for line in changed if line not in old] == ["new"]
    page.write(tmp_path / "all.md", {"machine": "facts", "packed": "new"})
    assert (tmp_path / "all.md").read_text() == "facts\n\nnew\n"


CALLGRIND = """positions: line
events: Ir
summary: 127
ob=(1) /usr/bin/python3.11
fl=(1) ceval.c
fn=(1) eval
16 100
cob=(2) /lib/kernel.so
cfn=(2) stamps
calls=1 3
+2 20
* 7
ob=(2)
fn=(2)
-3 20
"""


def test_instructions_of_a_call_count_once(benchmark):
    """The inclusive cost of a call is that of the library that is called, not of the caller."""
    counts = benchmark("instructions").instructions_of_objects(CALLGRIND.splitlines(keepends=True))
    assert counts == {"/usr/bin/python3.11": 107, "/lib/kernel.so": 20}
