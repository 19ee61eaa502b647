"""Make Python lack what it lacks on Windows, as far as its standard library still works.

A process calls `apply` when it starts, from a ``sitecustomize.py`` on ``PYTHONPATH``; so do the
workers that it starts. Not here: paths with backslashes, which only Windows has. What numpy and
filelock use on Linux stays: ``os.uname`` and ``os.fchmod``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from pathlib import Path
from typing import Self

ABSENT_MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "readline")
ABSENT_OF_OS = (
    "chown", "chroot", "copy_file_range", "ctermid", "eventfd", "fchdir", "fchown",
    "fdatasync", "fork", "forkpty", "fpathconf", "fstatvfs", "getegid", "geteuid", "getgid",
    "getgroups", "getloadavg", "getpgid", "getpgrp", "getpriority", "getsid", "getuid", "killpg",
    "lchown", "lockf", "memfd_create", "mkfifo", "mknod", "nice", "openpty", "pathconf", "pipe2",
    "posix_fadvise", "posix_fallocate", "pread", "preadv", "pwrite", "pwritev", "register_at_fork",
    "sched_getaffinity", "sched_setaffinity", "sched_yield", "sendfile", "setpgid", "setpriority",
    "setsid", "splice", "statvfs", "sync", "sysconf", "wait3", "wait4", "waitid",
    "O_CLOEXEC", "O_DIRECT", "O_DIRECTORY", "O_NOATIME", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK",
    "O_SYNC", "O_TMPFILE",
)  # fmt: skip
KEPT_SIGNALS = {"SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM"}
ABSENT_OF_SIGNAL = (
    "alarm", "getitimer", "pause", "pidfd_send_signal", "pthread_kill", "pthread_sigmask",
    "setitimer", "siginterrupt", "sigpending", "sigtimedwait", "sigwait", "sigwaitinfo",
    "SIG_BLOCK", "SIG_SETMASK", "SIG_UNBLOCK",
)  # fmt: skip


class _Absent:
    """A finder of modules that raises what a module raises that is not there."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in ABSENT_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _remove_modules() -> None:
    sys.meta_path.insert(0, _Absent())
    for name in ABSENT_MODULES:
        sys.modules.pop(name, None)


def _remove_names() -> None:
    for module, names in (
        (os, ABSENT_OF_OS),
        (signal, (*ABSENT_OF_SIGNAL, *(n for n in dir(signal) if n.startswith("SIG")
                                       and n.isalnum() and n not in KEPT_SIGNALS))),
    ):  # fmt: skip
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for names in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
        names.clear()


def _restrict_maps() -> None:
    """Let files be mapped with the arguments of Windows only."""
    import mmap

    class Map(mmap.mmap):
        def __new__(
            cls,
            fileno: int,
            length: int,
            tagname: str | None = None,  # noqa: ARG004 - of Windows, where it names the map
            access: int = mmap.ACCESS_DEFAULT,
            offset: int = 0,
        ) -> Self:
            return super().__new__(cls, fileno, length, access=access, offset=offset)

        madvise = property()

    for name in dir(mmap):
        if name.startswith(("MAP_", "PROT_", "MADV_")):
            delattr(mmap, name)
    mmap.mmap = Map


def _restrict_processes() -> None:
    """Let processes be spawned, and not forked."""
    from multiprocessing import context

    for name in ("ForkContext", "ForkServerContext", "ForkProcess", "ForkServerProcess"):
        delattr(context, name)
    for name in [name for name in context._concrete_contexts if name != "spawn"]:
        del context._concrete_contexts[name]
    context._default_context._default_context = context._concrete_contexts["spawn"]


def _is_open(path: str) -> bool:
    """Return whether this process has a file open or mapped."""
    path = os.path.realpath(path)
    for number in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(number.readlink()) == path:
                return True
    maps = Path("/proc/self/maps").read_text("utf-8", errors="surrogateescape")
    return any(line.endswith(f" {path}") for line in maps.splitlines())


def _protect_open_files() -> None:
    """Refuse to replace, rename or remove a file that this process has open or mapped."""

    def refuse(*paths: object) -> None:
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike) and _is_open(os.fsdecode(path)):
                raise PermissionError(errno.EACCES, "used by another process", os.fsdecode(path))

    replace, rename, remove = os.replace, os.rename, os.remove

    def replace_closed(source: object, target: object, **rest: object) -> None:
        refuse(source, target)
        replace(source, target, **rest)

    def rename_closed(source: object, target: object, **rest: object) -> None:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target)
        refuse(source)
        rename(source, target, **rest)

    def remove_closed(path: object, **rest: object) -> None:
        refuse(path)
        remove(path, **rest)

    os.replace, os.rename = replace_closed, rename_closed
    os.remove = os.unlink = remove_closed


def _rename_system() -> None:
    import platform

    platform.system = lambda: "Windows"


def _remove_kernel() -> None:
    """Load neither a library of this package, nor the functions of the process itself."""
    import ctypes

    class Library(ctypes.CDLL):
        def __init__(self, name: str | None, *rest: object, **named: object) -> None:
            if name is None:
                raise TypeError("bad argument type for built-in operation")
            if "mingolotss" in str(name):
                raise OSError(f"{name} is no library for Windows")
            super().__init__(name, *rest, **named)

    ctypes.CDLL = Library


def apply() -> None:
    """Change this process for good."""
    _remove_modules()
    _remove_names()
    _restrict_maps()
    _restrict_processes()
    _rename_system()
    _remove_kernel()
    _protect_open_files()
