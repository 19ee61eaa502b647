"""The application, and its entry point: every error a user can cause is one line."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from copy import copy
from typing import Annotated

import typer

from mingolotss.errors import clean_text
from mingolotss.foreign import show_warnings_as_lines

__all__ = ["app", "main"]


app = typer.Typer(
    name="mingolotss",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


_INTERRUPTED = 130  # what typer makes of Ctrl-C


def _version(asked: bool) -> None:
    if asked:
        from mingolotss import __version__
        from mingolotss.image.kernel_library import describe

        print(f"mingolotss {__version__}, {describe()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Show the version, and whether the compiled kernel is available.",
        ),
    ] = False,
) -> None:
    """Turn a catalogue of radio galaxies into a machine-learning dataset.

    Begin with: mingolotss demo
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every error a user can cause is one line and an exit code."""
    # Packing takes 1.5 times as long with Arrow's own allocator, which returns memory too early.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # Looking for plug-ins of pydantic reads a file of each installed package, at every start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    show_warnings_as_lines()
    try:
        _app_with(sys.argv[1:] if arguments is None else arguments)(args=arguments)
    except SystemExit as end:
        if end.code != _INTERRUPTED:
            raise
        _fail("interrupted; run the same command again to resume", _INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # a bug is raised again below
        from mingolotss.errors import MingoError, ServiceError
        from mingolotss.io.system_faults import describe_fault

        if isinstance(error, MingoError):
            _fail(str(error), 3 if isinstance(error, ServiceError) else 2)
        fault = describe_fault(error)
        if fault is None:
            raise
        # Objects that were half made for want of memory or files complain when they are deleted.
        warnings.simplefilter("ignore")
        sys.unraisablehook = lambda _: None
        _fail(" ".join(filter(None, (_place_of(error), fault))), 2)


def _app_with(arguments: Sequence[str]) -> typer.Typer:
    """Return the application with the command of these arguments alone, or else with all commands.

    The options of all commands take as long to make as those of a short command to run.
    """
    asked = [
        command
        for command in app.registered_commands
        if command.callback is not None
        and (command.name or command.callback.__name__) in arguments[:1]
    ]
    if not asked:
        return app
    alone = copy(app)
    alone.registered_commands, alone.registered_groups = asked, []
    return alone


def _place_of(error: Exception) -> str:
    """Return the file of an error of the system with a colon, as far as it is known."""
    name = getattr(error, "filename", None)
    return f"{clean_text(str(name))}:" if isinstance(name, str) else ""


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"mingolotss: {' '.join(message.split())}\n")
    sys.exit(code)
