"""How wide the vectors of the kernel are, by the instructions that a processor has."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from compilers import COMPILER, needs_compiler, needs_kernel
from mingolotss.image import kernel_library

AVX512 = ("avx512f", "avx512bw", "avx512dq", "avx512vl")
# The kernel with a processor whose instructions a test names.
SOURCE = """
#include <string.h>
static const char *instructions = "";
static int has(const char *name) { return strstr(instructions, name) != 0; }
#define __builtin_cpu_supports(name) has(name)
#include "kernel.c"
int lanes_with(const char *names, int limit)
{
    instructions = names;
    return limit ? vector_lanes(limit) : mingolotss_lanes();
}
"""
is_x86 = platform.machine() in {"x86_64", "AMD64"}


@pytest.fixture(scope="module")
def lanes_with(tmp_path_factory):
    """Give a function: the lanes with some instructions, and a limit or 0 for none."""
    folder = tmp_path_factory.mktemp("lanes")
    (folder / "lanes.c").write_text(SOURCE)
    include = ["-I", str(kernel_library.LIBRARY.parent)]
    subprocess.run(
        [COMPILER, "-O0", "-std=gnu11", "-Wno-psabi", "-shared", "-fPIC", *include,
         str(folder / "lanes.c"), "-o", str(folder / "lanes.so")], check=True,
    )  # fmt: skip
    function = ctypes.CDLL(str(folder / "lanes.so")).lanes_with
    function.argtypes = (ctypes.c_char_p, ctypes.c_int)
    return lambda names, limit: function(" ".join(names).encode(), limit)


@needs_compiler
@pytest.mark.skipif(not is_x86, reason="other processors have one width")
@pytest.mark.parametrize(
    ("names", "widest"),
    [((), 4), (("sse4.2", "avx"), 4), (("avx2",), 8), (("avx2", *AVX512), 16),
     *((("avx2", *AVX512[:gap], *AVX512[gap + 1 :]), 8) for gap in range(len(AVX512)))],
)  # fmt: skip
def test_vectors_are_as_wide_as_the_instructions_allow(lanes_with, names, widest):
    """Sixteen lanes need all four parts of AVX-512; a limit makes vectors narrower, never wider."""
    assert lanes_with(names, 0) == widest
    for limit in kernel_library.LANES:
        assert lanes_with(names, limit) == min(limit, widest)


@needs_kernel
@pytest.mark.skipif(not is_x86 or sys.platform != "linux", reason="looked up in /proc")
def test_the_kernel_has_the_width_of_this_processor():
    flags = set(Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split())
    expected = 16 if flags.issuperset(AVX512) else 8 if "avx2" in flags else 4
    assert (
        kernel_library.load_library().mingolotss_lanes()
        == kernel_library.widest_vector()
        == expected
    )
