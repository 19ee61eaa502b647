"""Compile the kernel of the fast path while the package is built; without a compiler, leave it out.

The compiler is ``CC``, or ``cc``. ``MINGOLOTSS_CFLAGS`` adds flags to those below: the Makefile
sets ``-Wall -Wextra -Werror``, so that a warning fails development and CI. An installation does
not: a compiler that the project has never seen may warn of anything, and a warning should not cost
a user the kernel. ``CFLAGS`` is not read, because ``-ffast-math`` in it would change pixels.
``MINGOLOTSS_WITHOUT_KERNEL=1`` leaves the kernel out: the wheel is then a pure one, for every
system.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

FOLDER = Path("src/mingolotss/image/_kernel")
# No -march: the kernel holds code for several processors and chooses when it runs. No -ffast-math
# and no contraction of products and sums: the pixels must equal numpy's to the last bit.
# -Wno-psabi: vectors of 64 bytes are passed between inlined functions only, so no ABI matters.
FLAGS = ("-O3", "-std=gnu11", "-ffp-contract=off", "-fPIC", "-shared", "-Wno-psabi")


def digest(folder: Path) -> str:
    """Return the SHA-256 of the C sources in a folder."""
    texts = [path.read_bytes() for path in sorted(folder.glob("*.[ch]"))]
    return hashlib.sha256(b"".join(texts)).hexdigest()


def compile_kernel(folder: Path) -> str:
    """Compile ``kernel.so`` beside its sources.

    Parameters
    ----------
    folder : Path
        Holds ``kernel.c``.

    Returns
    -------
    str
        Empty, or why it could not be compiled. There is then no ``kernel.so``: an older one would
        not belong to the sources.
    """
    # Compiled under another name and moved, so that no process ever loads half a file.
    library, temporary = folder / "kernel.so", folder / f"kernel-{os.getpid()}.so"
    compiler = shlex.split(os.environ.get("CC") or "cc")
    extra = shlex.split(os.environ.get("MINGOLOTSS_CFLAGS", ""))
    problem = "no C compiler"
    if sys.platform != "win32" and shutil.which(compiler[0]):
        sources = f'-DSOURCES="{digest(folder)}"'
        command = [*compiler, *FLAGS, *extra, sources, "kernel.c", "-o", temporary.name]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if not result.returncode:
            temporary.replace(library)
            return ""
        problem = result.stderr or f"{compiler[0]} ended with {result.returncode}"
    for path in (temporary, library):
        path.unlink(missing_ok=True)
    return problem


class CompileHook(BuildHookInterface):
    """Put the compiled kernel into the wheel if it can be compiled."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the kernel, or display why it is left out."""
        if self.target_name != "wheel" or os.environ.get("MINGOLOTSS_WITHOUT_KERNEL") == "1":
            return
        if problem := compile_kernel(Path(self.root) / FOLDER):
            self.app.display_warning(f"built without the compiled kernel (slower): {problem}")
            return
        build_data["artifacts"].append(f"{FOLDER}/kernel.so")
        build_data["pure_python"] = False
        # The wheel is tagged with this machine's own platform, never with manylinux: the kernel is
        # linked to the libraries that are installed here.
        # On macOS, builders of wheels say in _PYTHON_HOST_PLATFORM which systems they compile for.
        names = (tag.platform for tag in sys_tags())
        own = next(name for name in names if not name.startswith(("manylinux", "musllinux")))
        own = os.environ.get("_PYTHON_HOST_PLATFORM", own)
        build_data["tag"] = f"py3-none-{re.sub('[-.]', '_', own)}"
