"""Whether the compiled kernel can be tested here, and the build hook that compiles it."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from mingolotss.image import kernel_library

ROOT = Path(__file__).parents[1]
COMPILER = shutil.which(os.environ.get("CC") or "cc")
# With a compiler but no kernel, the tests fail: the installation is incomplete.
needs_kernel = pytest.mark.skipif(
    not kernel_library.available() and not COMPILER,
    reason="no C compiler was there to compile the kernel with",
)
needs_compiler = pytest.mark.skipif(not COMPILER, reason="no C compiler is here")


def build_hook() -> ModuleType:
    """Import hatch_build.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
