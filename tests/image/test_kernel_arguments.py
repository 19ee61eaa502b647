"""The compiled kernel refuses wrong arguments and other libraries; each check is tested here."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from compilers import COMPILER, build_hook, needs_compiler, needs_kernel
from mingolotss.cli.commands import app
from mingolotss.image import compiled, kernel_library
from mingolotss.image.compiled import fully_observed_squares, grey_stamps
from mingolotss.image.kernel_library import SQUARE
from mingolotss.image.windows import WindowArray

SIDE, COUNT = 20, 3
SETTINGS = {"sigma": 3.0, "radius": 8.0, "inside": False}


def windows(side: int = SIDE, count: int = COUNT, dtype: str = "f4") -> WindowArray:
    """Return windows of random pixels."""
    rng = np.random.default_rng(1)
    return WindowArray.of(list(rng.normal(size=(count, side, side)).astype(dtype)))


# The checks in Python: what a caller can get wrong.


def test_windows_lie_in_their_planes():
    """A window that reaches out of its plane on any side is refused before an address is made."""
    plane = np.zeros((30, 40), np.float32)
    whole = {"which": 0, "y": 0, "x": 0, "side": 30}
    for change in (
        {"y": 1}, {"x": 11}, {"y": -1}, {"x": -1}, {"side": 31}, {"side": 0}, {"which": -1},
    ):  # fmt: skip
        numbers = whole | change
        which, y, x = (np.array([numbers[name]]) for name in ("which", "y", "x"))
        with pytest.raises(ValueError, match="window"):
            WindowArray([plane], which, y=y, x=x, side=numbers["side"])


@pytest.mark.parametrize("plane", [np.zeros((40, 60))[:, ::2], np.zeros((40, 30)).T[:30]])
def test_rows_of_a_plane_are_contiguous(plane):
    """The kernel reads a row as adjacent pixels, so no other plane becomes a window."""
    zero = np.array([0])
    with pytest.raises(ValueError, match="contiguous"):
        WindowArray([plane], zero, y=zero, x=zero, side=30)


@pytest.mark.parametrize("shape", [(40,), (2, 40, 40)])
def test_a_plane_has_two_axes(shape):
    """A cube has more than one plane."""
    zero = np.array([0])
    with pytest.raises(ValueError, match="unpack"):
        WindowArray([np.zeros(shape)], zero, y=zero, x=zero, side=8)


def test_every_window_has_a_plane_and_a_corner():
    """Columns of different lengths belong to no windows."""
    two, three = np.zeros(2, np.int64), np.zeros(3, np.int64)
    with pytest.raises(ValueError, match="a window needs a plane"):
        WindowArray([np.zeros((40, 40))], two, y=two, x=three, side=8)


@needs_kernel
@pytest.mark.parametrize(
    ("images", "noises", "changes", "message"),
    [
        (windows(), windows(SIDE - 1), {}, "windows of 19 pixels, where the images are"),
        (windows(), windows(SIDE + 1), {}, "windows of 21 pixels, where the images are"),
        (windows(), windows(count=2), {}, "noise for 2 windows"),
        (windows(15), windows(15), {}, "stamps of 15 pixels"),
        (windows(513, 1), windows(513, 1), {}, "stamps of 513 pixels"),
        (windows(dtype="f8"), windows(), {}, "float32"),
        (windows(), windows(dtype="f8"), {}, "float32"),
        (windows(), windows(1, dtype="f8"), {}, "float32"),
        (windows(), windows(), {"lanes": 5}, "5 lanes"),
        (windows(), windows(), {"lanes": 0}, "0 lanes"),
        (windows(), windows(), {"stack": 0}, "stacks of 0"),
    ],
)
def test_stamps_of_wrong_arguments_are_refused(images, noises, changes, message):
    """The call itself raises, before the first stack is asked for."""
    with pytest.raises(ValueError, match=message):
        grey_stamps(images, noises, **SETTINGS | changes)


@needs_kernel
def test_a_memory_layout_that_is_not_contiguous_is_refused():
    """The kernel reads it as an array of structures."""
    images = windows()
    images.memory_layout = images.memory_layout[::-1]
    with pytest.raises(ValueError, match="C-contiguous"):
        next(grey_stamps(images, windows(), **SETTINGS))


@needs_kernel
@pytest.mark.parametrize("side", [1, SIDE])
def test_no_windows_give_no_stamps(side):
    """A count of 0 is a normal one."""
    none = np.empty(0, np.int64)
    images, noises = (
        WindowArray([np.zeros((n, n), np.float32)], none, y=none, x=none, side=n)
        for n in (SIDE, side)
    )
    assert list(grey_stamps(images, noises, **SETTINGS)) == []


@needs_kernel
@pytest.mark.parametrize(
    ("pixels", "lanes", "message"),
    [
        (np.zeros((SQUARE, SQUARE)), 16, "float32"),
        (np.zeros((1, SQUARE, SQUARE), "f4"), 16, "two axes"),
        (np.zeros((SQUARE, 2 * SQUARE), "f4")[:, ::2], 16, "contiguous"),
        (np.zeros((SQUARE + 1, SQUARE), "f4"), 16, "65 x 64 pixels"),
        (np.zeros((SQUARE, SQUARE - 1), "f4"), 16, "64 x 63 pixels"),
        (np.zeros((SQUARE, SQUARE), "f4"), 2, "2 lanes"),
    ],
)
def test_squares_of_wrong_arguments_are_refused(pixels, lanes, message):
    """Other types, other layouts and parts of squares."""
    with pytest.raises(ValueError, match=message):
        fully_observed_squares(pixels, lanes=lanes)


def test_without_the_kernel_its_functions_say_so(use_library, tmp_path):
    """To call it all the same is a bug, with a clear message."""
    use_library(tmp_path / "no-such-file.so")
    with pytest.raises(RuntimeError, match="compiled kernel not available"):
        grey_stamps(windows(), windows(), **SETTINGS)
    with pytest.raises(RuntimeError, match="compiled kernel not available"):
        fully_observed_squares(np.zeros((SQUARE, SQUARE), np.float32))


# The checks in C: what a bug in Python could pass on.


class Call:
    """A correct call of ``mingolotss_stamps``, for a test to make one argument of it wrong."""

    def __init__(self) -> None:
        self.images, self.noises = windows(), windows()
        self.mask = np.zeros(SIDE, np.int32), np.full(SIDE, SIDE, np.int32)
        shapes = ((SIDE, SIDE), "u1"), ((SIDE, SIDE + 1), "u1"), ((), "?"), *[((), "f4")] * 4
        self.arrays = [np.zeros((COUNT, *shape), dtype) for shape, dtype in shapes]
        self.workspace = np.zeros(3 * SIDE * (SIDE + 32), np.float32)
        self.image_windows = compiled._window_array(self.images)
        self.noise_windows = compiled._window_array(self.noises)
        starts, stops = (ends.ctypes.data for ends in self.mask)
        self.recipe = kernel_library.KernelRecipe(SIDE, 5, 1, 1, starts, stops, SIDE, 3.0)
        self.result = kernel_library.KernelBuffers(
            *(array.ctypes.data for array in self.arrays), COUNT, COUNT, SIDE,
            self.workspace.ctypes.data, self.workspace.size, 0,
        )  # fmt: skip
        self.start, self.count, self.lanes = 0, COUNT, 16

    def make(self) -> None:
        """Call the kernel."""
        structures = (
            None if structure is None else ctypes.addressof(structure)
            for structure in (self.image_windows, self.noise_windows, self.recipe, self.result)
        )
        images, noises, recipe, result = structures
        kernel_library.call_kernel(
            "mingolotss_stamps", images, noises, self.start, self.count, recipe, result, self.lanes
        )


@needs_kernel
def test_a_correct_call_is_not_refused():
    """So each refusal below is of the one argument that it changes."""
    call = Call()
    call.make()
    (expected,) = grey_stamps(call.images, call.noises, sigma=3.0, radius=None, inside=False)
    np.testing.assert_array_equal(call.arrays[0], expected.pixels)
    np.testing.assert_array_equal(call.arrays[4], expected.median_noise)
    np.testing.assert_array_equal(call.arrays[6], expected.highest)
    call.count = 0
    call.make()


NULL = "a pointer is null"
MISALIGNED = "not aligned"
REFUSALS = [
    *((f"{name} = None", NULL) for name in ("image_windows", "noise_windows", "recipe", "result")),
    ("image_windows.windows = None", NULL),
    ("noise_windows.windows = None", NULL),
    ("images.memory_layout[1, 0] = 0", NULL),
    ("noises.memory_layout[2, 0] = 0", NULL),
    *((f"recipe.{name} = None", NULL) for name in ("mask_start", "mask_stop")),
    *(
        (f"result.{name} = None", NULL)
        for name in (
            "pixels",
            "rows",
            "blank",
            "peaks",
            "median_noise",
            "lowest",
            "highest",
            "workspace",
        )
    ),
    ("image_windows.windows += 4", MISALIGNED),
    ("noise_windows.windows += 4", MISALIGNED),
    ("recipe.mask_start += 2", MISALIGNED),
    ("recipe.mask_stop += 1", MISALIGNED),
    *((f"result.{name} += 2", MISALIGNED) for name in ("peaks", "lowest", "highest", "workspace")),
    ("lanes = 0", "number of lanes"),
    ("lanes = 5", "number of lanes"),
    ("lanes = 32", "number of lanes"),
    ("start = -1", "not in the arrays of windows"),
    ("start = 1", "not in the arrays of windows"),
    ("start = 2**63 - 1", "not in the arrays of windows"),
    ("count = -1", "not in the arrays of windows"),
    ("count = 4", "not in the arrays of windows"),
    ("count = 2**63 - 1", "not in the arrays of windows"),
    ("image_windows.count = 2", "not in the arrays of windows"),
    ("noise_windows.count = 2", "not in the arrays of windows"),
    ("image_windows.side = 19", "not of the recipe's side"),
    ("noise_windows.side = 19", "not of the recipe's side"),
    ("noise_windows.side = 21", "not of the recipe's side"),
    ("recipe.side = 21", "not of the recipe's side|another number of rows"),
    ("recipe.side = 15", "from 16 to 512 pixels"),
    ("recipe.side = 513", "from 16 to 512 pixels"),
    ("recipe.side = -20", "from 16 to 512 pixels"),
    ("images.memory_layout[0, 1] = 2**60", "rows of a window"),
    ("noises.memory_layout[0, 1] = -(2**60)", "rows of a window"),
    ("images.memory_layout[0, 2] = 2", "a flag"),
    ("noises.memory_layout[0, 2] = -1", "a flag"),
    ("recipe.clip = 2", "a flag"),
    ("recipe.scale_outside_mask = -1", "a flag"),
    ("recipe.noise_stride = 0", "noise stride"),
    ("recipe.noise_stride = 3", "noise stride"),
    ("recipe.noise_stride = 513", "noise stride"),
    ("recipe.mask_rows = 19", "the mask"),
    ("mask[0][3] = -1", "the mask"),
    ("mask[0][3] = 21", "the mask"),
    ("mask[1][19] = 21", "the mask"),
    ("result.capacity = 2", "no room"),
    ("result.numbers = 2", "no room"),
    ("result.side = 19", "no room"),
    ("result.workspace_size -= 1", "no room"),
]


@needs_kernel
@pytest.mark.parametrize(("change", "message"), REFUSALS)
def test_the_kernel_refuses(change, message):
    """Each wrong argument has its own status, and nothing is written."""
    call = Call()
    target, operator, value = re.fullmatch(r"(.*) ([-+]?=) (.*)", change).groups()
    exec(f"call.{target} {operator} {value}", {"call": call})  # noqa: S102
    with pytest.raises(RuntimeError, match=f"mingolotss_stamps refused its arguments: .*{message}"):
        call.make()
    assert not any(array.any() for array in call.arrays)


@needs_kernel
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": None}, NULL),
        ({"observed": None}, NULL),
        ({"first": 0}, NULL),
        ({"shift": 4}, MISALIGNED),
        ({"rows": SQUARE + 1}, "whole number of squares"),
        ({"columns": SQUARE - 1}, "whole number of squares"),
        ({"rows": -SQUARE}, "whole number of squares"),
        ({"columns": 2**28 + SQUARE}, "whole number of squares"),
        ({"capacity": 1}, "no room"),
        ({"row_stride": 2**60}, "rows of a window"),
        ({"byteswapped": 2}, "a flag"),
        ({"lanes": 1}, "number of lanes"),
        ({}, None),
    ],
)
def test_the_kernel_refuses_squares(change, message):
    """The same of the search for gaps; the last case is the correct call."""
    pixels, observed = np.ones((SQUARE, 2 * SQUARE), np.float32), np.zeros(2, np.bool_)
    values = {
        "first": pixels.ctypes.data, "row_stride": pixels.strides[0], "byteswapped": 0,
        "observed": observed.ctypes.data, "rows": SQUARE, "columns": 2 * SQUARE, "capacity": 2,
        "lanes": 16, "shift": 0,
    } | change  # fmt: skip
    window = kernel_library.KernelWindow(
        *(values[name] for name in ("first", "row_stride", "byteswapped"))
    )
    address = None if "window" in change else ctypes.addressof(window) + values["shift"]
    arguments = [values[name] for name in ("rows", "columns", "observed", "capacity", "lanes")]
    if message is None:
        kernel_library.call_kernel("mingolotss_squares", address, *arguments)
        assert observed.all()
        return
    with pytest.raises(RuntimeError, match=f"mingolotss_squares refused .*{message}"):
        kernel_library.call_kernel("mingolotss_squares", address, *arguments)
    assert not observed.any()


@pytest.mark.skipif("MINGOLOTSS_SANITIZED" not in os.environ, reason="make test-sanitize runs it")
def test_the_sanitizer_watches_the_kernel():
    """A read past the end of an image, which no check can see, ends the process with a report."""
    script = """
import numpy as np
from mingolotss.image.compiled import grey_stamps
from mingolotss.image.windows import WindowArray

image, noise = (WindowArray.of([np.ones((20, 20), np.float32)]) for _ in range(2))
image.memory_layout[0, 0] += 20 * 4  # a row farther down: the last one lies behind the image
next(grey_stamps(image, noise, sigma=3.0, radius=None, inside=False))
"""
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    assert "AddressSanitizer: heap-buffer-overflow" in result.stderr
    assert "lanes.h" in result.stderr


# Another library in the kernel's place.


@needs_compiler
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("int mingolotss_interface(void) { return 0; }", "has interface 0, not "),
        ("int x;", "undefined symbol"),
    ],
)
def test_another_library_is_not_used(tmp_path, use_library, text, reason):
    """A library of another version or of something else is a reason, never an error."""
    source, library = tmp_path / "other.c", tmp_path / "other.so"
    source.write_text(text)
    subprocess.run([COMPILER, "-shared", "-fPIC", source, "-o", library], check=True)
    use_library(library)
    assert not kernel_library.available()
    assert kernel_library.describe().startswith(
        "compiled kernel not available (about 2.2x slower); "
    )
    assert reason in kernel_library.describe()


def test_no_library_is_a_reason(tmp_path, use_library):
    """No compiler was there, or what lies there is no library."""
    use_library(tmp_path / "kernel.so")
    message = (
        "compiled kernel not available (about 2.2x slower); install a C compiler and reinstall"
    )
    assert kernel_library.describe() == message
    (tmp_path / "kernel.so").write_bytes(b"no library")
    use_library(tmp_path / "kernel.so")
    assert not kernel_library.available()
    assert "install a C compiler and reinstall" in kernel_library.describe()


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    int64_t byteswapped;", "    int32_t byteswapped, more;"),
        ("    int64_t noise_stride;", "    int64_t more, noise_stride;"),
        ("    uint8_t *blank; ", "    float *blank2; uint8_t *blank; "),
        ("    const int32_t *mask_start;\n    const int32_t *mask_stop;",
         "    const int32_t *mask_stop;\n    const int32_t *mask_start;"),
        ("LARGEST_SIDE = 512", "LARGEST_SIDE = 256"),
        ("FIELD(result, without_peak),", ""),
    ],
)  # fmt: skip
def test_a_kernel_whose_structures_drifted_is_not_used(tmp_path, use_library, old, new):
    """The sizes and offsets that the library exports are compared when it is loaded."""
    folder = tmp_path / "sources"
    shutil.copytree(kernel_library.LIBRARY.parent, folder, ignore=shutil.ignore_patterns("*.so"))
    text = (folder / "kernel.c").read_text()
    assert text.count(old) == 1
    (folder / "kernel.c").write_text(text.replace(old, new))
    assert build_hook().compile_kernel(folder) == ""
    use_library(folder / "kernel.so")
    assert not kernel_library.available()
    printed = CliRunner().invoke(app, ["--version"]).stdout
    assert "compiled kernel not available" in printed
    assert "the structures of" in printed
    assert "reinstall mingolotss" in printed


@pytest.mark.slow
@needs_compiler
def test_the_sources_compile_without_a_warning(tmp_path, monkeypatch):
    """A warning is an error in development."""
    monkeypatch.setenv("MINGOLOTSS_CFLAGS", "-Wall -Wextra -Werror")
    for path in kernel_library.LIBRARY.parent.glob("*.[ch]"):
        shutil.copy(path, tmp_path)
    assert build_hook().compile_kernel(tmp_path) == ""


@needs_compiler
def test_a_warning_costs_no_user_the_kernel(tmp_path, monkeypatch):
    """It fails the build only where the flags ask for it, and then leaves no library behind."""
    (tmp_path / "kernel.c").write_text("int f(void) { int unused; return 0; }\n")
    monkeypatch.delenv("MINGOLOTSS_CFLAGS", raising=False)
    assert build_hook().compile_kernel(tmp_path) == ""
    assert (tmp_path / "kernel.so").exists()
    monkeypatch.setenv("MINGOLOTSS_CFLAGS", "-Wall -Wextra -Werror")
    assert "unused" in build_hook().compile_kernel(tmp_path)
    assert not list(tmp_path.glob("*.so"))
