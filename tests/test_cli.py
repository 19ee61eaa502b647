"""The command line as a person meets it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

import mingolotss
from builds import command, run
from fits_files import put
from mingolotss.cli.commands import app
from mingolotss.cli.commands import main as app_main
from mingolotss.image import kernel_library
from mingolotss.service import service_groups, services
from skies import random_sky

COMMANDS = sorted(c.name or c.callback.__name__ for c in app.registered_commands)
GROUPS = sorted(group.name for group in app.registered_groups)


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    return random_sky(tmp_path_factory.mktemp("cli") / "in", 30, seed=6, kinds=("float32",))


def test_help_names_every_command():
    done = run("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name}\b", done.stdout, re.MULTILINE), name


def test_the_version_says_whether_the_kernel_is_used():
    """What decides the speed of a build can be asked."""
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith(
        f"mingolotss {mingolotss.__version__}, {kernel_library.describe()}"
    )


def test_no_summary_is_cut_off():
    """The table of commands shows every summary completely on a terminal of 80 columns."""
    done = subprocess.run(
        command("--help"), capture_output=True, text=True, check=True,
        env=os.environ | {"COLUMNS": "80"},
    )  # fmt: skip
    _, table = done.stdout.split("Commands:")
    summaries = [line.split(maxsplit=1)[1] for line in table.strip().splitlines()]
    assert len(summaries) == len(COMMANDS) + len(GROUPS)
    assert all(summary.endswith(".") and not summary.endswith("...") for summary in summaries)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command):
    """Every option has a help text."""
    done = run(command, "--help")
    assert done.returncode == 0
    options = re.findall(r"^  (?:-\w, )?--[\w/-]+.*$", done.stdout, re.MULTILINE)
    assert options


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_in_the_readme_or_docs(command):
    root = Path(__file__).parents[1]
    text = (root / "README.md").read_text() + "".join(
        path.read_text() for path in (root / "docs").rglob("*.md")
    )
    assert f"mingolotss {command}" in text


def test_a_word_that_is_no_command():
    done = run("biuld")
    assert done.returncode == 2
    assert "biuld" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_the_help_of_a_command_is_that_among_all(name, capsys, monkeypatch):
    """`main` makes the options of the command that is asked for, and of no other."""
    monkeypatch.setattr("sys.argv", ["mingolotss"])
    monkeypatch.setattr(sys.modules["__main__"], "__package__", None)  # not `python -m pytest`
    shown = []
    for main in (lambda arguments: app(args=arguments, prog_name="mingolotss"), app_main):
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        assert end.value.code == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert shown[1].startswith(f"Usage: mingolotss {name} ")


def test_only_the_command_that_is_asked_for_is_made(monkeypatch, capsys):
    """Help and a word that is no command need all of them."""
    monkeypatch.setattr("sys.argv", ["mingolotss"])
    made = []
    make = typer.main.get_command_from_info

    def note(command_info, **rest):
        made.append(command_info.name or command_info.callback.__name__)
        return make(command_info, **rest)

    monkeypatch.setattr(typer.main, "get_command_from_info", note)
    with pytest.raises(SystemExit):
        app_main(["status", "--help"])
    assert made == ["status"]
    for arguments in (["--help"], ["stats"], []):
        made.clear()
        with pytest.raises(SystemExit):
            app_main(arguments)
        assert set(COMMANDS) < set(made)
    assert "stats" in capsys.readouterr().err


def test_build_status_verify_plan(sky, tmp_path):
    """The exit code says whether sources were rejected; status says which and why."""
    options = ("--catalogue", sky.catalogue, "--service", sky.folder, "--out", tmp_path / "o")
    planned = run("plan", *options)
    assert planned.returncode == 0
    assert re.search(r"\d+ of 30 sources have an image", planned.stdout)
    assert run("status", tmp_path / "o").stdout.count("not finished") == 1
    built = run("build", *options)
    assert built.returncode == 1
    assert "is more than --max-rejected 0 allows, so the exit code is 1" in built.stdout
    assert run("build", *options, "--max-rejected", 30).returncode == 0
    looked = run("status", tmp_path / "o", "--rejected")
    assert "no file for it: looked for 'ILTJ0026+5_*-mosaic.fits' in" in looked.stdout
    assert looked.stdout.count("no file for it: looked for NAME in the folder of") == 1
    assert "finished" in looked.stdout
    assert run("verify", tmp_path / "o").returncode == 0


@pytest.mark.slow
def test_classes(shared):
    """The counts of the real catalogue."""
    done = run("classes", "--catalogue", shared / "data" / "Mingo19_LoMorph_Cat.fits")
    found = re.findall(r"^(\d)\s+(\S.*?)\s{2,}.*?(\d+)$", done.stdout, re.MULTILINE)
    assert [int(count) for _, _, count in found] == [
        797, 264, 195, 1709, 423, 123, 19, 995, 246, 1034,
    ]  # fmt: skip
    assert [name for _, name, _ in found][1:3] == ["FRI NAT", "FRI WAT"]


@pytest.mark.slow
def test_classes_that_the_catalogue_names(tmp_path):
    """A recipe without a table lists the values of its column, and sources without a class."""
    (tmp_path / "mine.toml").write_text(
        'name = "x"\n[catalogue]\nname = "id"\nra = "ra"\ndec = "dec"\n'
        '[classes]\nfrom = "column"\ncolumn = "kind"\nmissing = "unlabelled"\n'
    )
    (tmp_path / "a.csv").write_text("id,ra,dec,kind\nA,1,2,10\nB,1,3,\nC,1,4,9\nD,1,5,10\n")
    assert "values of the column 'kind'" in run("classes", tmp_path / "mine.toml").stdout
    assert "has no labels" in run("classes", "lotss").stdout
    done = run("classes", tmp_path / "mine.toml", "--catalogue", tmp_path / "a.csv")
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert rows == [
        ["0", "9", "1"], ["1", "10", "2"], ["without", "a", "class", "1"], ["all", "4"],
    ]  # fmt: skip


@pytest.mark.slow
def test_recipes_prints_one_that_loads(tmp_path):
    """A shipped recipe, printed and saved, is a recipe."""
    text = run("recipes", "mirabest").stdout
    (tmp_path / "mine.toml").write_text(text)
    assert "FRI confident standard" in run("classes", tmp_path / "mine.toml").stdout


@pytest.mark.slow
def test_the_settings_of_a_build_are_a_recipe(sky, tmp_path):
    """`build OUT/recipe.toml` uses the same settings again."""
    options = ("--catalogue", sky.catalogue, "--service", sky.folder, "--max-rejected", 30)
    first = run("build", *options, "--set", "noise.sigma=5", "--limit", 9, "--out", tmp_path / "a")
    assert first.returncode == 0, first.stderr
    again = run(
        "build", tmp_path / "a" / "recipe.toml", *options, "--limit", 9, "--out", tmp_path / "b"
    )
    assert again.returncode == 0, again.stderr
    names = ("manifest.parquet", "recipe.toml")
    assert all(
        (tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in names
    )


def test_services_have_a_line_each():
    """Every service says what it is."""
    *lines, last = filter(None, run("services").stdout.splitlines())
    rows = [line for line in lines if not line.startswith("service ")]
    assert [line.split()[0] for line in rows] == [
        name for group in service_groups().values() for name in group
    ]
    assert {line.split()[0] for line in rows} == set(services())
    assert all(len(line.split()) > 4 for line in rows)
    headings = [line.partition(" ")[2].strip() for line in lines if line not in rows]
    assert headings == list(service_groups())
    assert last.endswith("mingolotss services NAME.")


@pytest.mark.slow
def test_the_facts_of_a_service_are_printed():
    """One line for each fact; a wrong name is one line that suggests the nearest."""
    lines = run("services", "nvss").stdout.splitlines()
    assert "frequency      1400 MHz" in lines
    wrong = run("services", "nvs")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (2, 1)
    assert "did you mean 'nvss'" in wrong.stderr


@pytest.mark.slow
def test_many_reasons_do_not_flood_the_terminal(tmp_path):
    """Ten lines are printed, and the file with all of them is named."""
    put(tmp_path / "files" / "P0-mosaic.fits", 1)
    for number in range(1, 14):
        (tmp_path / "files" / f"P{number:02d}-mosaic.fits").write_bytes(b"")
    (tmp_path / "c.csv").write_text("Source_Name,RA,DEC\nA,180,50\n")
    mosaics, out = f"mosaics:{tmp_path / 'files'}", tmp_path / "o"
    options = ("--catalogue", tmp_path / "c.csv", "--service", mosaics, "--out", out)
    shown = run("plan", "lotss", *options).stdout.splitlines()
    assert sum(line.startswith("passed over ") for line in shown) == 10
    assert f"... 3 more lines like these: {out / 'notices.txt'}" in shown
    assert len((out / "notices.txt").read_text().splitlines()) == 13


@pytest.mark.slow
def test_what_is_not_used_is_named_by_every_command(tmp_path):
    """Plan, build and status name files that are passed over; plan names sources without one."""
    put(tmp_path / "files" / "A_P1-mosaic.fits", 1)
    put(tmp_path / "files" / "A_P1-mosaic.fits.gz", 1)
    (tmp_path / "c.csv").write_text("Source_Name,RA,DEC\nA,180,50\n\u001b[2Jß,180,50\n")
    options = (
        "lotss", "--catalogue", tmp_path / "c.csv", "--service", f"folder:{tmp_path / 'files'}",
        "--out", tmp_path / "o",
    )  # fmt: skip
    line = "passed over 'A_P1-mosaic.fits.gz': a compressed copy of a file that is used\n"
    planned = run("plan", *options).stdout
    assert line in planned
    assert ": no file for it: looked for " in planned
    assert "%1B%5B2J%C3%9F_*-mosaic.fits' in " in planned
    assert "\x1b" not in planned
    built = run("build", *options, "--threads", "--set", "stamp.pixels=16", "--fresh").stdout
    assert line in built
    shown = run("status", tmp_path / "o").stdout
    assert line in shown
    assert "\x1b" not in built + shown
