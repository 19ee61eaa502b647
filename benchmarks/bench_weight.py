"""Show what an installation without extras consists of, what each part weighs, and who imports it.

Run ``python benchmarks/bench_weight.py`` with the Python of an environment into which mingolotss is
installed. It makes a demo of 60 sources and loads it, each in a new process, and asks both which
modules they have imported. The time of what `load` imports is that of the processor for the import
alone in a new process, the least of nine, without that of Python itself.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_NAME = "mingolotss"
_ROUNDS = 9
_SHOW = "import atexit, sys; atexit.register(lambda: print('IMPORTED', *sys.modules))\n"
_DEMO = f"{_SHOW}import mingolotss; mingolotss.demo('demo', sources=60)"
_LOAD = f"{_SHOW}import mingolotss; mingolotss.load('demo').images[0]"
_OF_BUILDS = ("astropy", "astropy-healpix", "matplotlib", "pyvo")
"""The large requirements that no reader of a dataset imports, apart from plots and FITS files."""


@dataclass(frozen=True)
class Part:
    """A distribution that the installation consists of.

    Attributes
    ----------
    name, version : str
    megabytes : float
        Of its installed files, 10^6 bytes.
    needed_by : tuple of str
        The distributions that require it.
    modules : tuple of str
        The packages and modules that it has at the top.
    """

    name: str
    version: str
    megabytes: float
    needed_by: tuple[str, ...]
    modules: tuple[str, ...]


def parts_of(name: str, *, without: Collection[str] = ()) -> list[Part]:
    """Return a distribution and all that it requires without extras, the largest first.

    Parameters
    ----------
    name : str
    without : collection of str
        Distributions that it is taken not to require itself.
    """
    needed_by: dict[str, list[str]] = {name: []}
    queue = [name]
    for one in queue:
        for required in _requirements(one):
            if one == name and required in without:
                continue
            if required not in needed_by:
                queue.append(required)
            needed_by.setdefault(required, []).append(one)
    tops: dict[str, list[str]] = {}
    for module, names in importlib.metadata.packages_distributions().items():
        for distribution in {canonicalize_name(one) for one in names}:
            tops.setdefault(distribution, []).append(module)
    parts = []
    for one, users in needed_by.items():
        distribution = importlib.metadata.distribution(one)
        files = [Path(distribution.locate_file(file)) for file in distribution.files or ()]
        size = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
        modules = tuple(tops.get(one, ()))
        parts.append(Part(one, distribution.version, size, tuple(users), modules))
    return sorted(parts, key=lambda part: -part.megabytes)


def _requirements(name: str) -> list[str]:
    """Return the names of what a distribution requires here, without its extras."""
    requirements = map(Requirement, importlib.metadata.requires(name) or ())
    return [
        canonicalize_name(one.name)
        for one in requirements
        if one.marker is None or one.marker.evaluate({"extra": ""})
    ]


def imported(code: str, folder: Path) -> set[str]:
    """Return the top packages that a script has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True
    )
    return {name.partition(".")[0] for name in done.stdout.rpartition("IMPORTED ")[2].split()}


def milliseconds(modules: Iterable[str]) -> float:
    """Return the processor time of an import in a new process, without that of Python."""
    times = []
    for code in ("pass", f"import {', '.join(modules)}"):
        runs = []
        for _ in range(_ROUNDS):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", code], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            runs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        times.append(min(runs))
    return max(0.0, times[1] - times[0]) * 1000


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    os.environ["PYTHONWARNINGS"] = "ignore"
    parts = parts_of(_NAME)
    with tempfile.TemporaryDirectory() as folder:
        by_demo, by_load = (imported(code, Path(folder)) for code in (_DEMO, _LOAD))
    print("| package | MB | a build imports it | `load` imports it, ms | needed by |")
    print("|---|---|---|---|---|")
    for part in parts:
        used = [name for name in part.modules if name in by_load]
        cost = f"{milliseconds(used):.0f}" if used else ""
        builds = "yes" if by_demo.intersection(part.modules) else ""
        users = ", ".join(part.needed_by)
        print(
            f"| {part.name} {part.version} | {part.megabytes:.1f} | {builds} | {cost} | {users} |"
        )
    print(f"\n{_total(parts)} in all.")
    loading = [part for part in parts if by_load.intersection(part.modules)]
    print(f"{_total(loading)} for `load`.")
    print(f"{_total(parts_of(_NAME, without=_OF_BUILDS))} without {', '.join(_OF_BUILDS)}.")


def _total(parts: Collection[Part]) -> str:
    return f"{len(parts)} packages, {sum(part.megabytes for part in parts):.0f} MB"


if __name__ == "__main__":
    main()
