"""Compile the fast path's loops while the package is built; without a compiler, leave them out."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

FOLDER = Path("src/mingolotss/compiled")
# No -march: the loops are there for several processors, and the one at hand is asked for its kind.
# No -ffast-math, and nothing contracted: the pixels are to be numpy's to the last bit.
FLAGS = ("-O3", "-std=gnu11", "-ffp-contract=off", "-fPIC", "-shared", "-Wno-psabi")


def digest(folder: Path) -> str:
    """Return the SHA-256 of the sources."""
    texts = [path.read_bytes() for path in sorted(folder.glob("*.[ch]"))]
    return hashlib.sha256(b"".join(texts)).hexdigest()


def compile_loops(folder: Path) -> str:
    """Make ``kernel.so`` beside its sources; return "", or why there is none."""
    library, beside = folder / "kernel.so", folder / f"kernel-{os.getpid()}.so"
    compiler = shlex.split(os.environ.get("CC") or "cc")
    wrong = "no C compiler"
    if sys.platform != "win32" and shutil.which(compiler[0]):
        about = f'-DSOURCES="{digest(folder)}"'
        command = [*compiler, *FLAGS, about, "kernel.c", "-o", beside.name]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if not done.returncode:
            beside.replace(library)
            return ""
        wrong = done.stderr or f"{compiler[0]} ended with {done.returncode}"
    for path in (beside, library):  # an older one would not be that of the sources
        path.unlink(missing_ok=True)
    return wrong


class CompileHook(BuildHookInterface):
    """Put the loops into the wheel, if they can be compiled."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, or say why not."""
        if self.target_name != "wheel":
            return
        if wrong := compile_loops(Path(self.root) / FOLDER):
            self.app.display_warning(f"built without the compiled loops, slower: {wrong}")
            return
        build_data["artifacts"].append(f"{FOLDER}/kernel.so")
        build_data["pure_python"] = False
        # This machine's own platform: it was compiled with what is here, for what is here.
        names = (tag.platform for tag in sys_tags())
        own = next(name for name in names if not name.startswith(("manylinux", "musllinux")))
        build_data["tag"] = f"py3-none-{own}"
