"""The files of a release: built twice, checked, installed in an empty environment and used there.

``make test-packages`` runs these tests. They need the group ``packages`` and an index of packages,
from which an empty environment gets the dependencies.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest
import yaml

from compilers import ROOT, needs_compiler

pytestmark = pytest.mark.packages
VERSION = "9.8.7"
# What a user has who loads a dataset after `pip install mingolotss`.
USE = """
import sys, mingolotss
from mingolotss.image.kernel_library import available
print(mingolotss.__file__, mingolotss.__version__, available())
build = mingolotss.demo("demo", sources=30)
samples = mingolotss.load("demo", "all")
print(build.written, len(samples), samples.images[0].shape)
"""


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Return what a command prints; fail with all of it if the command fails."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=os.environ | environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert not done.returncode, f"{command}:\n{done.stdout}"
    return done.stdout


def tool(name: str) -> Path:
    """Return a program of this environment."""
    return Path(sys.executable).with_name(name)


def repository(folder: Path) -> Path:
    """Copy the files of this checkout into a repository with one commit and one tag."""
    names = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    run(*git, "init", "-q", cwd=folder)
    run(*git, "add", "-A", cwd=folder)
    run(*git, "commit", "-q", "-m", "All files", cwd=folder)
    run(*git, "tag", "-a", f"v{VERSION}", "-m", "A version", cwd=folder)
    return folder


def packages(folder: Path) -> dict[str, Path]:
    """Build as ``make dist`` does; return the files of the release by what they are."""
    run(folder / ".ci" / "dist", sys.executable, cwd=folder)
    found = {}
    for path in sorted((folder / "dist").iterdir()):
        kind = "sources" if path.suffix == ".gz" else "kernel" if "linux" in path.name else "pure"
        assert kind not in found, path
        found[kind] = path
    return found


@pytest.fixture(scope="session")
def twice(tmp_path_factory) -> list[dict[str, Path]]:
    """Build the files of a release in two folders, one after the other."""
    return [packages(repository(tmp_path_factory.mktemp(name))) for name in ("a", "other-name")]


def test_the_same_sources_give_the_same_files(twice):
    """Equal names and SHA-256, wherever and whenever they are built."""
    first, second = (
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files.values()}
        for files in twice
    )
    assert first == second
    assert len(first) == (3 if shutil.which("cc") else 2)


def test_the_version_is_that_of_the_tag(twice):
    """In the names of all files, in their metadata, and nowhere else in the sources."""
    for kind, path in twice[0].items():
        assert path.name.startswith(f"mingolotss-{VERSION}"), path
        if kind == "sources":
            with tarfile.open(path) as files:
                text = files.extractfile(f"mingolotss-{VERSION}/PKG-INFO").read()
        else:
            with zipfile.ZipFile(path) as files:
                text = files.read(f"mingolotss-{VERSION}.dist-info/METADATA")
        assert BytesParser().parsebytes(text)["Version"] == VERSION
    assert "\nversion:" not in (ROOT / "CITATION.cff").read_text()


def test_index_and_tools_accept_the_files(twice):
    """Their descriptions render, and the wheels hold the package and nothing else."""
    files = list(twice[0].values())
    run(tool("twine"), "check", "--strict", *files, cwd=ROOT)
    run(tool("check-wheel-contents"), *(path for path in files if path.suffix == ".whl"), cwd=ROOT)


@needs_compiler
def test_the_wheel_with_the_kernel_suits_old_systems(twice):
    """It needs no library but the C library, in a version that manylinux_2_28 has."""
    shown = run(tool("auditwheel"), "show", twice[0]["kernel"], cwd=ROOT)
    assert "manylinux_2_28" in twice[0]["kernel"].name
    assert "is consistent with" in " ".join(shown.split())
    with zipfile.ZipFile(twice[0]["pure"]) as files:
        assert not [name for name in files.namelist() if name.endswith(".so")]
    with zipfile.ZipFile(twice[0]["kernel"]) as files:
        libraries = [name for name in files.namelist() if name.endswith(".so")]
    assert libraries == ["mingolotss/image/_kernel/kernel.so"]


@pytest.mark.parametrize("kind", ["pure", "kernel", "sources"])
def test_an_empty_environment_installs_and_uses_it(twice, tmp_path, kind):
    """Build a demo and load it, with no source of the project on the path."""
    if kind not in twice[0]:
        pytest.skip("no C compiler is here")
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / "bin" / "python"
    own = {"PYTHONPATH": "", "MINGOLOTSS_CFLAGS": ""}
    run(python, "-m", "pip", "install", "-q", twice[0][kind], cwd=tmp_path, **own)
    (tmp_path / "use.py").write_text(USE)
    first, second = run(python, "use.py", cwd=tmp_path, **own).splitlines()[-2:]
    file, version, has_kernel = first.split()
    assert file.startswith(str(tmp_path / "empty"))
    assert version == VERSION
    assert has_kernel == str(kind != "pure" and (kind == "kernel" or bool(shutil.which("cc"))))
    written, images, shape = second.split(" ", 2)
    assert written == images
    assert (int(images) > 20, shape) == (True, "(150, 150)")
    run(python.with_name("mingolotss"), "verify", "demo", cwd=tmp_path, **own)


def test_the_sources_hold_the_tests_and_pass_some(twice, tmp_path):
    """The wheel is tested with the tests of the sources, whose package is deleted."""
    with tarfile.open(twice[0]["sources"]) as files:
        files.extractall(tmp_path, filter="data")
    folder = tmp_path / f"mingolotss-{VERSION}"
    shutil.rmtree(folder / "src")
    venv.create(tmp_path / "empty", with_pip=True)
    python, own = tmp_path / "empty" / "bin" / "python", {"PYTHONPATH": ""}
    wheel = twice[0].get("kernel", twice[0]["pure"])
    run(
        python,
        "-m",
        "pip",
        "install",
        "-q",
        wheel,
        "pytest>=8.2",
        "hypothesis>=6.100",
        cwd=folder,
        **own,
    )
    done = run(
        python, "-m", "pytest", "-q", "-p", "no:cacheprovider",
        "-m", "not slow", "-k", "not these_sources",
        "tests/test_golden.py", "tests/image/test_compiled.py", "tests/sky/test_wcs.py",
        "tests/test_cli.py",
        cwd=folder, **own,
    )  # fmt: skip
    assert " passed" in done


@pytest.mark.skipif(not shutil.which("node"), reason="pyright needs node")
def test_pyright_accepts_the_code_of_users(tmp_path):
    """In its strict mode; `make check` reads the same file with mypy."""
    shutil.copy(ROOT / "tests" / "typing" / "user_code.py", tmp_path)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    shown = run(tool("pyright"), "-p", tmp_path, "--pythonpath", sys.executable, cwd=tmp_path)
    assert "0 errors" in shown


def test_the_workflows_have_no_known_hole():
    """Actions are pinned to a commit, jobs have no right that they do not need, and so on."""
    run(tool("zizmor"), "--offline", "--pedantic", ROOT / ".github", cwd=ROOT)


# What conda-forge calls differently, or divides: matplotlib-base is matplotlib without Qt.
CONDA_NAMES = {
    "astropy": "astropy-base", "matplotlib": "matplotlib-base", "zlib-ng": "python-zlib-ng",
}  # fmt: skip


def test_the_recipe_for_conda_asks_for_the_same_packages(twice):
    """With the version and the checksum of the sources; rattler-build can read it."""
    from packaging.requirements import Requirement
    from rattler_build import Stage0Recipe

    sources = twice[0]["sources"]
    text = run(ROOT / ".ci" / "conda-recipe", sources, cwd=ROOT)
    Stage0Recipe.from_yaml(text)
    recipe = yaml.safe_load(text)
    assert recipe["context"]["version"] == VERSION
    assert recipe["source"]["sha256"] == hashlib.sha256(sources.read_bytes()).hexdigest()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    given = [Requirement(text) for text in project["project"]["dependencies"]]
    expected = [f"{CONDA_NAMES.get(one.name, one.name)} {one.specifier}" for one in given]
    assert recipe["requirements"]["run"] == ["python", *expected]
    backend = [str(Requirement(text)) for text in project["build-system"]["requires"]]
    host = [words.replace(" ", "") for words in recipe["requirements"]["host"]]
    assert host == ["python", "pip", *backend]
