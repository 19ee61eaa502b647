"""The README and the docs are correct: their code runs as pasted, and their links resolve."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

import mingolotss
from builds import run
from mingolotss.cli.commands import app
from mingolotss.dataset.channel_table import CHANNELS, MISSING_CHANNELS
from mingolotss.dataset.manifest import CANDIDATES, MANIFEST
from mingolotss.service import SERVICES
from mingolotss.service.survey_table import SURVEYS
from test_optional import WITHOUT

ROOT = Path(__file__).parents[1]
DOCS = [
    page
    for page in sorted((ROOT / "docs").rglob("*.md"))
    if not {"_build", "generated"} & set(page.relative_to(ROOT).parts)
]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]


# A code block that the tests do not run has a comment with the reason in the line before it.
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


def blocks(page, language, *, runs=None):
    """Return the code blocks of a page in one language: all, or only those that run (or not)."""
    return [
        block["code"]
        for block in BLOCK.finditer(page.read_text())
        if block["language"] == language and runs in {None, block["reason"] is None}
    ]


# A recipe that the text tells to save.
RECIPE = re.compile(
    r"[Ss]ave this as `(?P<name>[\w-]+\.toml)`:\n\n```toml\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


def save_recipes(page, home):
    """Write the recipes of a page that its readers save, under their names."""
    for recipe in RECIPE.finditer(page.read_text()):
        (home / recipe["name"]).write_text(recipe["text"])


TOCTREE = re.compile(r"^```\{toctree\}\n(?:^:[^\n]*\n)*(.*?)^```", re.MULTILINE | re.DOTALL)


def name(page):
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with a demo in it, as after the first command of the README."""
    folder = tmp_path_factory.mktemp("home")
    assert run("demo", "--sources", 120, cwd=folder).returncode == 0
    return folder


@pytest.mark.parametrize(
    "page",
    [
        page
        for page in PAGES
        if page.name not in {"hats.md", "gallery.md"} and blocks(page, "python", runs=True)
    ],
    ids=name,
)
def test_the_python_code_of_a_page_runs_as_pasted(page, home):
    """All Python blocks of a page, in order, run beside the demo without a deprecation warning.

    The page about HATS needs LSDB: see ``tests/integration/hats/test_hats_page.py``. The build of
    the documentation runs the gallery, whose pictures come from it.
    """
    save_recipes(page, home)
    code = "\n".join(blocks(page, "python", runs=True))
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", code],
        cwd=home, capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, (code, done.stderr)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python", runs=False)], ids=name
)
def test_code_that_is_not_run_uses_names_that_exist(page):
    """Blocks that need a cluster or the network parse, and their imports from the package exist."""
    for code in blocks(page, "python", runs=False):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "mingolotss":
                assert {alias.name for alias in node.names} <= public_names(node.module), code


def public_names(module):
    """Return ``__all__`` of a module, read from its source: its libraries may not be installed."""
    source = Path(find_spec(module).origin).read_text()
    [names] = re.findall(r"^__all__ = (\[.*?\])", source, re.MULTILINE | re.DOTALL)
    return set(ast.literal_eval(names))


@pytest.mark.parametrize(
    "page",
    ["docs/tutorial.md", "docs/howto/export.md", "docs/howto/audit.md", "docs/howto/labels.md"],
)
def test_the_commands_of_a_page_run_as_pasted(page, home):
    """Every command that needs nothing but the demo succeeds; one of them finds something."""
    save_recipes(ROOT / page, home)
    for block in blocks(ROOT / page, "console", runs=True):
        for line in re.findall(r"^\$ mingolotss (.*)$", block, re.MULTILINE):
            command, *words = shlex.split(line)
            if command not in {"demo", "review"}:  # the demo is there; the review page serves on
                done = run(command, *words, cwd=home)
                assert done.returncode == (command == "compare"), (line, done.stderr)


@pytest.mark.parametrize("page", ["README.md"])
def test_the_first_python_block_needs_only_what_make_demo_installs(page, home):
    """It runs beside the demo without any optional library; the second one names torch."""
    first, second, *_ = blocks(ROOT / page, "python", runs=True)
    for code, works in ((first, True), (second, False)):
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT + code],
            cwd=home, capture_output=True, text=True, check=False, env=os.environ,
        )  # fmt: skip
        assert (done.returncode == 0) == works, done.stderr
    assert "use MingoLoTSS: this needs torch; pip install" in done.stderr


def test_the_files_of_the_demo_that_the_readme_names_exist(home):
    """``demo/NAME`` in the README is there after the demo; a build alone writes no report."""
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"`(demo/[\w./-]+)`", text)) | {"demo/sky/catalogue.fits"}
    assert {"demo/montage.png", "demo/report.html"} <= named
    for path in named:
        assert (home / path).exists(), path


def test_every_command_has_a_function_of_the_same_name():
    """As the page of the commands says; and each is in the table of that page."""
    text = (ROOT / "docs/reference/commands.md").read_text()
    assert "Each command has a Python function of the same name" in text
    assert "That of `mingolotss publish`, which uploads nothing, is `mingolotss.deposit`." in text
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    names |= {
        f"{group.name} {command.name}"
        for group in app.registered_groups
        for command in group.typer_instance.registered_commands
    }
    rows = re.findall(r"^\| `mingolotss (\w+)( [a-z]+)?", text, re.MULTILINE)
    assert names == {"".join(words) for words in rows}
    for name in names - {"publish"}:
        assert callable(getattr(mingolotss, name.replace(" ", "_"))), name


def test_a_page_shows_each_command():
    """The page of a command in the site has its examples from the other pages."""
    shown = {
        tuple(line.split()[:2])
        for page in DOCS
        for line in re.findall(r"^\$ mingolotss (.*)$", page.read_text(), re.MULTILINE)
    }
    for command in app.registered_commands:
        name = command.name or command.callback.__name__
        assert any(words[0] == name for words in shown), name
    for group in app.registered_groups:
        for command in group.typer_instance.registered_commands:
            assert (group.name, command.name) in shown, command.name


def test_the_demo_of_the_library_writes_the_files_of_the_command(home, tmp_path):
    """The two are twins: the same files with the same content."""
    mingolotss.demo(tmp_path / "demo", sources=120)
    examples = {"audit.json", "suspects.csv"}  # written by examples of the docs
    assert {*files(tmp_path / "demo")} == {*files(home / "demo")} - examples


def files(folder):
    """List the files of a folder by their names relative to it."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_the_files_of_a_build_are_documented(home):
    """Each file or folder that the demo writes has its row in the page of the build folder."""
    text = (ROOT / "docs/reference/build-folder.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    documented = {name.rstrip("/") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    for path in (home / "demo").iterdir():
        assert path.name in documented, path.name


def test_the_speed_without_a_compiler_is_that_of_the_table():
    """What --version and the page of the installation say is the ratio of two measured rates."""
    text = (ROOT / "docs/explanation/performance.md").read_text()
    [fast, slow] = (
        float(
            re.search(rf"^\| {row} \| 20,000 \| ([\d,]+) ", text, re.MULTILINE)[1].replace(",", "")
        )
        for row in ("mingolotss, 1 thread", "mingolotss, 1 thread, without the compiled kernel")
    )
    ratio = f"{fast / slow:.1f}"
    assert f"about {ratio}x slower" in (ROOT / "src/mingolotss/image/kernel_library.py").read_text()
    assert f"about {ratio} times slower" in (ROOT / "docs/install.md").read_text()


def test_the_extras_are_documented():
    """Each extra has its row in the page of the installation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "docs/install.md").read_text()
    rows = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert rows == set(project["optional-dependencies"])


def test_using_a_dataset_takes_three_lines():
    """The first example of the README has three statements."""
    code = blocks(ROOT / "README.md", "python")[0]
    assert len([line for line in code.splitlines() if line.strip()]) == 3


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_resolve(page):
    """Every relative link and picture is a file of the repository, every anchor a heading of it."""
    for link in re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text()):
        target, _, anchor = link.partition("#")
        path = page.parent / target if target else page
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


def anchors(page):
    """Return the anchors of a page's headings, as forges make them."""
    return anchors_of(page.read_text())


def anchors_of(text):
    """Return the anchors of the headings of a text in Markdown."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


def test_every_page_is_in_a_table_of_contents():
    """Each page of the documentation is an entry of a toctree, so that its readers can find it."""
    listed = {ROOT / "docs/index.md"}
    for page in DOCS:
        for entries in TOCTREE.findall(page.read_text()):
            for entry in re.findall(r"^(?:.* <)?([\w./*-]+?)>?$", entries, re.MULTILINE):
                listed |= {path.resolve() for path in page.parent.glob(f"{entry}.md")}
    assert listed == set(DOCS)


def test_every_service_is_documented():
    """Every shipped image service has its row in the docs."""
    text = (ROOT / "docs" / "reference" / "services.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    documented = {word.split(":")[0] for row in rows for word in re.findall(r"`([^`]+)`", row)}
    assert set(SERVICES.names()) <= documented


def test_the_table_of_surveys_has_their_facts():
    """Each band of each survey has a row with its pixels, beam, frequency, unit and noise."""
    page = (ROOT / "docs" / "reference" / "surveys.md").read_text()
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in page.splitlines()]
    for survey in SURVEYS.values():
        for band in survey.bands:
            facts = dict(survey.band(band).facts.rows())
            [row] = [
                row for row in rows
                if len(row) == 8 and row[0] == f"`{survey.service}`" and band in row[1].split(", ")
            ]  # fmt: skip
            assert facts["survey"].startswith(row[2])
            assert row[3] == facts.get("frequency", "")
            assert row[4].split(", ")[:-1] == facts["pixels"].split(", ")[:-1]
            assert row[4].endswith("computed" if "computed" in facts["pixels"] else "its own")
            beam = facts.get("beam (FWHM)", "")
            assert row[5] == ("in the header" if beam.startswith("as the header") else beam)
            assert row[6:] == [facts["unit"], facts.get("typical noise", "")]


def test_every_column_is_documented():
    """Every column of the manifest, the candidates and the channels has its row in the docs."""
    text = (ROOT / "docs" / "reference" / "manifest.md").read_text()
    for name in {*MANIFEST.names, *CANDIDATES.names, *CHANNELS.names, MISSING_CHANNELS.name}:
        assert re.search(rf"^\| [^|]*`{name}`", text, re.MULTILINE), name


def test_the_columns_have_the_types_of_the_page():
    """Where a row of the page has a type, each of its columns has it, or has it as a list."""
    text = (ROOT / "docs" / "reference" / "manifest.md").read_text()
    types = {field.name: str(field.type) for field in (*CHANNELS, *CANDIDATES, *MANIFEST)}
    rows = re.findall(r"^\| (`.*?) \| (\w+) \| .* \|$", text, re.MULTILINE)
    checked = 0
    for names, kind in rows:
        for name in set(re.findall(r"`(\w+)`", names)) & set(types):
            expected = {"float64": "double", "float32": "float"}.get(kind, kind)
            assert types[name] == expected, (name, kind)
            checked += 1
    assert checked > 50


def test_every_option_shown_exists():
    """Every option in the commands of the pages is an option of the program."""
    help_of = cache(lambda *words: run(*words, "--help").stdout)
    for page in PAGES:
        for block in blocks(page, "console"):
            for line in re.findall(r"^\$ (?:\S*/)?mingolotss (.*)$", block, re.MULTILINE):
                command, *words = line.split("#")[0].split()
                inner = words[:1] if command == "zooniverse" else []  # a group of commands
                known = help_of(command, *inner)
                for word in words:
                    if word.startswith("--"):
                        assert word.split("=")[0] in known, (page.name, line)


def test_the_contributor_guide_lists_the_packages_in_their_order():
    """The table of packages in CONTRIBUTING has the layers of the import contract, row by row."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    [table] = re.findall(r"^\| packages \|.*\n\|[-|]+\n((?:\|.*\n)+)", guide, re.MULTILINE)
    rows = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.splitlines()]
    assert rows == [re.findall(r"\w+", layer) for layer in layers]


@pytest.mark.parametrize(
    "page",
    ["CONTRIBUTING.md", "docs/explanation/architecture.md", "docs/explanation/exactness.md"],
)
def test_every_path_named_exists(page):
    """Every Python or TOML file and every folder that the page names is in the repository."""
    text = (ROOT / page).read_text()
    paths = re.findall(r"(?<![\w/.])(?:\w+/)+(?:[\w-]+\.(?:py|toml|c|h))?(?![\w/])", text)
    assert paths
    for path in paths:
        assert (ROOT / path).exists() or (ROOT / "src" / "mingolotss" / path).exists(), path


def test_the_tests_that_show_a_claim_exist():
    """The page about exactness names tests, each a function of its file."""
    text = (ROOT / "docs/explanation/exactness.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 10
    for path, function in named:
        assert f"def {function}" in (ROOT / path).read_text(), (path, function)


def test_every_public_name_is_documented():
    """The page of the Python interface lists the names of ``mingolotss.__all__`` and no others."""
    text = (ROOT / "docs" / "reference" / "python.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(mingolotss.__all__)


@pytest.mark.parametrize("name", sorted(set(mingolotss.__all__)))
def test_every_public_name_has_an_example(name):
    """The page of a name in the site has an example, which `make check` runs."""
    text = getattr(mingolotss, name).__doc__
    assert "Examples\n" in text, name
    assert ">>> " in text.partition("Examples\n")[2], name
