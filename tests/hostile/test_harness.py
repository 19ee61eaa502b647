"""The harness notices what it is for: each kind of fault, in a target that has it."""

from __future__ import annotations

import pytest
from harness import run_guarded, run_target


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "noticed"),
    [
        ("traceback", "ZeroDivisionError"),
        ("warning", "UserWarning: careless"),
        ("opens", "canary: open /etc/hostname"),
        ("opens_in_c", "a file that is watched was opened"),
        ("connects", "canary: socket.connect '192.0.2.1' 80"),
        ("resolves", "canary: socket.getaddrinfo 'example.org'"),
        ("starts", "canary: subprocess.Popen"),
        ("hides", "canary: os.system"),
        ("prints", "it printed:\ncareless"),
        ("unprintable", "not printable"),
        ("crashes", "the process ended with -11"),
        ("memory", "MB of memory"),
    ],
)
def test_a_fault_is_noticed_and_can_be_repeated(canary, key, noticed):
    with canary.pause():
        outcome = run_target(f"targets_faulty:{key}", seconds=0.2)
    assert noticed in outcome.failure
    assert "--only 0" in outcome.failure


def test_good_inputs_are_counted(canary):
    with canary.pause():
        outcome = run_target("targets_faulty:good", seconds=0.2)
    assert not outcome.failure
    assert outcome.accepted > 1
    assert outcome.refused > 1
    assert outcome.inputs == outcome.accepted + outcome.refused


@pytest.mark.slow
def test_the_command_line_runs_under_the_canary(canary, tmp_path):
    with canary.pause():
        done = run_guarded(["classes", "--catalogue", "/etc/hostname"], [tmp_path])
        listed = run_guarded(["recipes"], [tmp_path])
    assert (done.returncode, "canary: open /etc/hostname" in done.stderr) == (99, True)
    assert (listed.returncode, listed.stderr) == (0, "")
