"""Text files are the same on every system: each is read and written as UTF-8, with its newlines."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import mingolotss

PACKAGE = Path(mingolotss.__file__).parent


def unclear_calls(source: str) -> Iterator[str]:
    """Give the calls that open a text file and leave its encoding or its newlines to the system."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute | ast.Name):
            continue
        is_method = isinstance(call.func, ast.Attribute)
        name = call.func.attr if is_method else call.func.id
        given = {keyword.arg for keyword in call.keywords}
        place = {"read_text": 0, "write_text": 1}.get(name)
        if place is not None and is_method:
            if "encoding" not in given and len(call.args) <= place:
                yield ast.unparse(call)
            if name == "write_text" and "newline" not in given:
                yield ast.unparse(call)
        if name in {"open", "fdopen", "NamedTemporaryFile", "TemporaryFile"}:
            modes = [
                value.value
                for value in [*call.args, *(k.value for k in call.keywords if k.arg == "mode")]
                if isinstance(value, ast.Constant) and isinstance(value.value, str)
            ]
            mode = next((one for one in modes if set(one) <= set("rwxabt+")), "")
            is_text = bool(mode) and "b" not in mode
            if is_text and not {"encoding", "newline"} <= given:
                yield ast.unparse(call)


def test_each_text_file_has_its_encoding_and_its_newlines():
    calls = {
        str(path.relative_to(PACKAGE)): found
        for path in sorted(PACKAGE.rglob("*.py"))
        if (found := [*unclear_calls(path.read_text("utf-8"))])
    }
    assert calls == {}


def test_calls_that_depend_on_the_system_are_noticed():
    for call in (
        "path.read_text()", "path.write_text(text)", "path.write_text(text, encoding='utf-8')",
        "path.write_text(text, newline='')", "open(path, 'w')", "path.open('a', encoding='utf-8')",
        "path.open(mode='x')", "NamedTemporaryFile('w', encoding='ascii')",
    ):  # fmt: skip
        assert [*unclear_calls(call)], call
    for call in (
        "path.read_text('utf-8')", "path.read_text(encoding='ascii')", "path.open('rb')",
        "path.write_text(text, 'utf-8', newline='')", "open(path, 'xb')", "webbrowser.open(url)",
        "path.open('w', encoding='utf-8', newline='')",
    ):  # fmt: skip
        assert not [*unclear_calls(call)], call
