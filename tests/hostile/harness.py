"""Runs a door of the program on generated inputs, in a process that is watched and limited.

A `Target` writes one hostile input into an empty folder, and uses it as the program does. The loop
`run_target` repeats this in a process of its own until its time is over. An input may be accepted,
or refused with a `MingoError` of one printable line. Everything else is a failure: any other
exception or warning, output, a crash, more than 10 s, more than 1 GB, a file outside the folder of
the input and the installation, a connection, a process. The message has the command that repeats
the input.

To add a target, write a module ``targets_NAME.py`` in this folder with a table ``TARGETS`` of
`Target`, and list its keys in ``test_fuzz.py``. The environment variable ``MINGOLOTSS_FUZZ_S`` sets
the seconds of each.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import faulthandler
import importlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Canary", "Outcome", "Target", "as_file", "mutate", "run_guarded", "run_target"]

SECONDS = float(os.environ.get("MINGOLOTSS_FUZZ_S", "2"))
SEED = 20261126
LONGEST_S = 10.0  # of one input
MOST_BYTES = 1 << 30  # of memory
ADDRESS_SPACE = 8 << 30  # above what the process has at the start; only protects the machine
START_S = 120.0  # for imports on a busy machine

TESTS = Path(__file__).parents[1]
# What any Python program opens: the interpreter, the packages, the sources, time zones, devices.
INSTALLATION = (
    sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), str(TESTS.parent),
    "/usr/lib", "/usr/share/zoneinfo", "/lib", "/proc", "/sys", "/dev",
    "/etc/localtime", "/etc/mime.types", "/etc/ssl",
)  # fmt: skip
_PROCESS_EVENTS = {
    "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork",
    "os.forkpty", "pty.spawn",
}  # fmt: skip
_ADDRESS_EVENTS = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}


class CanaryError(BaseException):
    """Something was touched that no input may reach. Nothing that handles errors may catch it."""


@dataclass
class Canary:
    """Notices what an input must never cause, with an audit hook (PEP 578).

    Libraries in C open files without an event of Python. Files that an attack aims at are therefore
    watched by the system, too (`watch`).

    Attributes
    ----------
    folders : list of str
        Where files may be opened, besides the installation.
    addresses : set of (str, int)
        Hosts and ports that may be connected to.
    secrets : set of str
        Files in these folders that may not be opened all the same.
    violations : list of str
        What happened that must not.
    """

    folders: list[str] = field(default_factory=list)
    addresses: set[tuple[str, int]] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)
    _paused: threading.local = field(default_factory=threading.local)
    _on: bool = False
    _watches: dict[int, Path] = field(default_factory=dict)
    _inotify: int = -1

    def install(self) -> None:
        """Add the hook, which stays until the process ends."""
        sys.addaudithook(self._hook)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Notice violations until the block ends; raise an error for those that were hidden."""
        self._on = True
        try:
            yield
        finally:
            self._on = False
        self.check()

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Let this thread do anything until the block ends: the test does it, and no input."""
        self._paused.value = True
        try:
            yield
        finally:
            self._paused.value = False

    def allow(self, host: str, port: int) -> None:
        """Name a server that may be connected to."""
        self.addresses.add((host, port))

    def watch(self, path: Path) -> None:
        """Notice every open of a file, whoever opens it (inotify(7), Linux only)."""
        self.secrets.add(os.path.realpath(path))
        if not sys.platform.startswith("linux"):
            return
        libc = ctypes.CDLL(None, use_errno=True)
        if self._inotify < 0:
            self._inotify = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        opened = 0x20  # IN_OPEN
        number = libc.inotify_add_watch(self._inotify, os.fsencode(path), opened)
        assert number >= 0, os.strerror(ctypes.get_errno())
        self._watches[number] = path

    def check(self) -> None:
        """Raise an error if something happened, even if the program hid it.

        Raises
        ------
        CanaryError
            With everything that happened.
        """
        if self._inotify >= 0:
            with contextlib.suppress(BlockingIOError):
                if os.read(self._inotify, 4096):
                    watched = ", ".join(map(str, self._watches.values()))
                    self.violations.append(f"a file that is watched was opened: {watched}")
        if self.violations:
            happened, self.violations = self.violations, []
            raise CanaryError("; ".join(happened))

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._on or getattr(self._paused, "value", False):
            return
        problem = ""
        if event == "open":
            problem = self._opens_outside(arguments)
        elif event in _ADDRESS_EVENTS:
            problem = self._connects(event, arguments)
        elif event in _PROCESS_EVENTS:
            problem = f"{event} {arguments!r:.300}"
        if problem:
            self.violations.append(problem)
            raise CanaryError(problem)

    def _opens_outside(self, arguments: tuple[object, ...]) -> str:
        path = arguments[0]
        if not isinstance(path, str | bytes):
            return ""  # a file that is open already
        real = os.path.realpath(os.fsdecode(path))
        if real in self.secrets:
            return f"open {real}"
        for folder in (*self.folders, *INSTALLATION):
            if real == folder or real.startswith(folder.rstrip("/") + "/"):
                return ""
            resolved = os.path.realpath(folder)
            if real == resolved or real.startswith(resolved.rstrip("/") + "/"):
                return ""
        return f"open {real}"

    def _connects(self, event: str, arguments: tuple[object, ...]) -> str:
        if event == "socket.getaddrinfo":
            host, port = arguments[0], arguments[1]
        elif event == "socket.gethostbyname":
            host, port = arguments[0], None
        else:
            address = arguments[1]
            if not isinstance(address, tuple):
                return f"{event} {address!r}"
            host, port = address[0], address[1]
        hosts = {name for name, _ in self.addresses}
        named = (host, port) in self.addresses or (event.startswith("socket.get") and host in hosts)
        return "" if named else f"{event} {host!r} {port!r}"


@dataclass(frozen=True)
class Target:
    """A door and what comes through it.

    Attributes
    ----------
    write : callable
        Writes one input into an empty folder, from a generator of random numbers, and returns its
        path.
    use : callable
        Uses the input as the program does.
    prepare : callable, optional
        Called once before the first input, e.g. to import what `use` needs.
    watched : tuple of Path
        Files that a library in C must not open; they are made.
    """

    write: Callable[[random.Random, Path], Path]
    use: Callable[[Path], object]
    prepare: Callable[[], object] | None = None
    watched: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a target did.

    Attributes
    ----------
    inputs, accepted, refused : int
        Numbers of inputs.
    seconds, slowest : float
        All inputs, and the slowest one.
    peak : int
        Memory, bytes.
    failure : str
        What went wrong; "" if nothing did.
    """

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    peak: int = 0
    failure: str = ""

    def __str__(self) -> str:
        return (
            f"{self.inputs} inputs, {self.accepted} accepted, {self.refused} refused, in "
            f"{self.seconds:.1f} s, slowest {self.slowest:.2f} s, {self.peak >> 20} MB"
        )


def as_file(
    name: str, generate: Callable[[random.Random], bytes]
) -> Callable[[random.Random, Path], Path]:
    """Return a `write` for inputs that are one file with this name."""

    def write(rng: random.Random, folder: Path) -> Path:
        path = folder / name
        path.write_bytes(generate(rng))
        return path

    return write


def mutate(rng: random.Random, raw: bytes, tokens: Sequence[bytes] = ()) -> bytes:
    """Return bytes of which a few are changed, removed, repeated, or replaced by tokens."""
    data = bytearray(raw)
    for _ in range(rng.choice([1, 1, 2, 3, 6])):
        place = rng.randrange(len(data) + 1)
        choice = rng.randrange(6 if tokens else 5)
        if choice == 0 and place < len(data):
            data[place] = rng.randrange(256)
        elif choice == 1 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        elif choice == 2:
            del data[place : place + rng.choice([1, 2, 8, 80, 1000])]
        elif choice == 3:
            data[place:place] = data[place : place + rng.choice([1, 20, 400])] * rng.randrange(4)
        elif choice == 4 and rng.random() < 0.3:
            del data[place:]
        elif choice == 5:
            token = rng.choice(tokens)
            data[place : place + rng.choice([0, len(token)])] = token
    return bytes(data)


def run_target(name: str, seconds: float = SECONDS, seed: int = SEED) -> Outcome:
    """Run a target in a process of its own, and return its counts or what went wrong.

    Parameters
    ----------
    name : str
        Module and key, e.g. ``targets_text:votable``.
    seconds : float
    seed : int
    """
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        result = Path(folder, "result.json")
        command = [
            sys.executable, "-X", "faulthandler", __file__, name, "--seconds", str(seconds),
            "--seed", str(seed), "--folder", folder,
        ]  # fmt: skip
        with Path(folder, "output").open("w+b") as output:
            problem = _watch(command, output.fileno(), seconds, folder)
            output.seek(0)
            text = output.read().decode("utf-8", "replace").strip()
        state = json.loads(result.read_text()) if result.exists() else {}
        outcome = Outcome(**state)
        if problem := outcome.failure or problem:
            at = outcome.inputs if outcome.failure else _current(folder)
            repeat = f"{sys.executable} {__file__} {name} --seed {seed} --only {at}"
            problem = f"{name}: {problem}\n{text[-3000:]}\nrepeat: {repeat}"
        return Outcome(**{**state, "failure": problem})


def _environment(folder: str) -> dict[str, str]:
    """Return the environment of a child: no settings of the user, sources as they are here."""
    path = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    home = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR"), folder)
    return {**os.environ, **home, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def _watch(command: Sequence[str], output: int, seconds: float, folder: str) -> str:
    """Run a command; end it, and say why, if it takes too much time or memory."""
    child = subprocess.Popen(
        command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=folder,
        env=_environment(folder),
    )  # fmt: skip
    end = time.monotonic() + START_S + seconds + 2 * LONGEST_S
    statm = Path(f"/proc/{child.pid}/statm")
    page = resource.getpagesize()
    try:
        while child.poll() is None:
            if time.monotonic() > end:
                return "it does not end"
            with contextlib.suppress(OSError, IndexError, ValueError):
                if int(statm.read_text().split()[1]) * page > MOST_BYTES:
                    return f"more than {MOST_BYTES >> 20} MB of memory"
            time.sleep(0.02)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
    return "" if child.returncode == 0 else f"the process ended with {child.returncode}"


def _current(folder: str) -> int:
    path = Path(folder, "current")
    return int(path.read_text() or 0) if path.exists() else 0


def run_guarded(
    arguments: Sequence[str],
    folders: Sequence[Path],
    addresses: Sequence[tuple[str, int]] = (),
    *,
    watched: Sequence[Path] = (),
    timeout: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, under the canary.

    Parameters
    ----------
    arguments : sequence of str
        E.g. ``["build", "--threads", "-j", "1", ...]``; workers would be processes.
    folders : sequence of Path
        Where files may be opened.
    addresses : sequence of (str, int)
        What may be connected to.
    watched : sequence of Path
        Files that must not be opened by libraries in C, either.
    timeout : float
        Seconds.

    Returns
    -------
    CompletedProcess
        Its exit code is 99 if the canary noticed something.
    """
    setting = {
        "arguments": list(arguments), "folders": [str(folder) for folder in folders],
        "addresses": list(addresses), "watched": [str(path) for path in watched],
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        return subprocess.run(
            [sys.executable, "-X", "faulthandler", __file__, "--command-line", json.dumps(setting)],
            capture_output=True, text=True, errors="replace", timeout=timeout, cwd=folder,
            env=_environment(folder), check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip


def _run_command_line(setting: dict[str, list[str]]) -> None:
    from mingolotss.cli import main

    canary = Canary([*setting["folders"], tempfile.gettempdir(), str(Path.cwd())])
    for host, port in setting["addresses"]:
        canary.allow(host, int(port))
    for path in setting["watched"]:
        canary.watch(Path(path))
    canary.install()
    _limit_memory()
    code: object = 0
    try:
        with canary.watching():
            try:
                main(setting["arguments"])
            except SystemExit as end:
                code = end.code
    except CanaryError as error:
        sys.stderr.write(f"canary: {error}\n")
        code = 99
    sys.exit(code if isinstance(code, int) else 0 if code is None else 1)


def _limit_memory() -> None:
    """Limit the address space, so that a mistake here does not exhaust the machine."""
    with contextlib.suppress(OSError, ValueError):
        present = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (present + ADDRESS_SPACE,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _peak_bytes() -> int:
    """Return the peak memory of this program; `ru_maxrss` counts what was before exec, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _loop(
    target: Target, canary: Canary, folder: Path, seconds: float, seed: int, only: int | None
) -> Iterator[Outcome]:
    """Use one input after the other, and yield the counts after each."""
    from mingolotss.errors import MingoError

    inputs = accepted = refused = 0
    slowest, began = 0.0, time.monotonic()
    place = folder / "input"
    while not inputs or (only is None and time.monotonic() - began < seconds):
        number = inputs if only is None else only
        (folder / "current").write_text(str(number))
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        path = target.write(random.Random(f"{seed} {number}"), place)  # noqa: S311
        started, failure = time.monotonic(), ""
        faulthandler.dump_traceback_later(LONGEST_S, exit=True)
        try:
            with canary.watching():
                target.use(path)
            accepted += 1
        except MingoError as error:
            refused += 1
            if not str(error).isprintable():
                failure = f"a message that is not printable: {str(error)!r}"
            elif only is not None:
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
        except CanaryError as error:
            failure = f"canary: {error}"
        except Exception as error:  # noqa: BLE001 - the failure of an input
            import traceback

            failure = "".join(traceback.format_exception(error))[-6000:]
        faulthandler.cancel_dump_traceback_later()
        spent = time.monotonic() - started
        slowest = max(slowest, spent)
        sys.stdout.flush()
        if only is None and not failure and os.fstat(2).st_size:
            failure = "it printed:"
        peak = _peak_bytes()
        if not failure and peak > MOST_BYTES:
            failure = f"{peak >> 20} MB of memory"
        if failure:
            yield Outcome(number, accepted, refused, spent, slowest, peak, failure)
            return
        inputs += 1
        yield Outcome(inputs, accepted, refused, time.monotonic() - began, slowest, peak)


def _main() -> None:
    parser = argparse.ArgumentParser(description="Run one target; see the module.")
    parser.add_argument("target", nargs="?", default="")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", type=int, help="use this input alone, and keep it")
    parser.add_argument("--command-line", type=json.loads, help="run the command line instead")
    options = parser.parse_args()
    sys.path[:0] = [str(TESTS), str(TESTS / "hostile")]
    if options.command_line is not None:
        _run_command_line(options.command_line)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="hostile-"))
    tempfile.tempdir = str(folder)
    module, _, key = options.target.partition(":")
    target: Target = importlib.import_module(module).TARGETS[key]
    warnings.simplefilter("error")
    for kind in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)
    if target.prepare is not None:
        target.prepare()
    canary = Canary([str(folder)])
    for path in target.watched:
        path.write_text("watched\n")
        canary.watch(path)
    canary.install()
    _limit_memory()
    steps = _loop(target, canary, folder, options.seconds, options.seed, options.only)
    [outcome] = deque(steps, maxlen=1)
    if options.only is not None:
        print(f"{outcome.failure or outcome}\ninput: {folder / 'input'}")  # noqa: T201
        return
    (folder / "result.json").write_text(json.dumps(outcome.__dict__))


if __name__ == "__main__":
    _main()
