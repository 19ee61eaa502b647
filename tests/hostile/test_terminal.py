"""Text from outside never reaches the terminal with control characters or marks of direction."""

from __future__ import annotations

import shutil
import warnings

import pytest

from mingolotss import cli
from mingolotss.foreign import show_warnings_as_lines
from named_builds import build_named

ATTACKS = (
    "\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "\x9b31m", "\u202egpj.exe", "\u2066x\u2069", "a\rb",
    "a\x08\x08b", "two\nlines", "\u200bzero", "\x00", "[bold]x[/bold]", "\u2028line", "\x7f",
)  # fmt: skip
# A recipe that is printed keeps its lines and tabs.
ALLOWED = str.maketrans("", "", "\t")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    names = [f"S{row}{text}".replace("\0", "") for row, text in enumerate(ATTACKS)]
    return build_named(tmp_path_factory.mktemp("names"), names, [f"C{t}" for t in names])


def run(arguments, capfd) -> str:
    with pytest.raises(SystemExit):
        cli.main(arguments)
    out, err = capfd.readouterr()
    for line in (out + err).split("\n"):
        assert line.translate(ALLOWED).isprintable(), line
    return out + err


@pytest.mark.parametrize("command", ["status", "status --rejected", "verify"])
def test_commands_on_a_build(built, command, capfd):
    name, *options = command.split()
    assert run([name, str(built), *options], capfd)


def test_compare_and_verify_of_a_dataset_that_differs(built, tmp_path, capfd):
    """The lines name sources, classes and files."""
    other = build_named(tmp_path, [f"T{text}".replace("\0", "") for text in ATTACKS], ["x"])
    assert "they differ" in run(["compare", str(built), str(other), "--show", "99"], capfd)
    for path in [*other.rglob("*.png")][:3]:
        path.write_bytes(b"x")
    shutil.copy(other / "recipe.toml", other / "a\x1b[2J\udcff.txt")
    assert "problems" in run(["verify", str(other)], capfd)


def test_notices_and_the_title_of_a_recipe(built, tmp_path, capfd):
    folder = tmp_path / "build"
    shutil.copytree(built, folder)
    (folder / "notices.txt").write_text("".join(f"passed over '{a}'\n" for a in ATTACKS))
    recipe = (folder / "recipe.toml").read_text()
    text = recipe.replace('title = "', 'title = "\\u001b[2J\\u202e', 1)
    assert text != recipe
    (folder / "recipe.toml").write_text(text)
    assert "passed over" in run(["status", str(folder)], capfd)


def test_a_recipe_that_is_printed(tmp_path, capfd):
    """TOML allows the control characters above 0x80 in comments."""
    path = tmp_path / "a.toml"
    path.write_text('extends = "mingolotss"\nname = "a"\t# \x9b2J \u202e x\n', encoding="utf-8")
    assert 'name = "a"' in run(["recipes", str(path)], capfd)


def test_classes_of_a_catalogue(tmp_path, capfd):
    path = tmp_path / "a.csv"
    rows = "".join(f'S{row},1{row},2,"{text}"\n' for row, text in enumerate(ATTACKS))
    path.write_text(f"Source_Name,RA,DEC,kind\n{rows}".replace("\0", ""), encoding="utf-8")
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'extends = "lotss"\nname = "r"\n[classes]\nfrom = "column"\ncolumn = "kind"\n'
    )
    assert run(["classes", str(recipe), "--catalogue", str(path)], capfd)


@pytest.mark.parametrize("text", ATTACKS)
def test_errors_and_warnings(text, tmp_path, capfd):
    run(["status", str(tmp_path / text.replace("\0", "").replace("/", ""))], capfd)
    run(["plan", text, "--out", str(tmp_path / "b")], capfd)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        show_warnings_as_lines()
        warnings.warn(text, stacklevel=1)
    _, err = capfd.readouterr()
    assert all(line.isprintable() for line in err.split("\n"))
