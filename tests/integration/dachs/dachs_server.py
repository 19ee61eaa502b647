"""A real archive for the tests: GAVO DaCHS, the software behind vo.astron.nl, on loopback.

In this folder, ``python dachs_server.py check`` tells what is not installed, and ``python
dachs_server.py run WORK MOSAICS`` serves MOSAICS out of WORK until Ctrl-C.

Everything that the server needs is made in WORK: a PostgreSQL cluster on a socket, the tree of
DaCHS, its log. A second run over the same mosaics uses them again. ``install.sh`` puts the Debian
packages in
place. Run as root, the servers run as the user ``postgres``, since PostgreSQL refuses root.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PG = Path("/usr/lib/postgresql/15/bin")
PG_SPHERE = Path("/usr/share/postgresql/15/extension/pg_sphere.control")
DACHS = ["/usr/bin/python3", "-c", "from gavo.user.cli import main; main()"]
ROOT_PATH = "/hetdex/lotss-dr1-img"
SETTINGS = """\
[general]
rootDir: {root}
group: {group}
gavoGroup: {group}
[web]
bindAddress: 127.0.0.1
serverPort: {port}
serverURL: http://127.0.0.1:{port}
sitename: Test archive
user: {user}
logFormat: combined
[ivoa]
authority: x-local
"""


def missing() -> str:
    """Return what is not installed, or nothing."""
    needed = [
        PG / "initdb",
        PG_SPHERE,
        Path("/usr/lib/python3/dist-packages/gavo"),
        Path("/usr/bin/setpriv"),
    ]
    absent = [str(path) for path in needed if not path.exists()]
    return (
        f"{', '.join(absent)} not there: run tests/integration/dachs/install.sh" if absent else ""
    )


class Archive:
    """One DaCHS with its own database, in a directory of its own.

    Parameters
    ----------
    work : path
        Where it lives; made if absent, reused if the mosaics are the same.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.port = _port_of_last_time(work)
        self.log = work / "dachs.log"
        self._database: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The resource: form, SIA, DataLink and SODA are below it."""
        return f"http://127.0.0.1:{self.port}{ROOT_PATH}"

    @property
    def access_log(self) -> Path:
        """One line per request."""
        return self.work / "root" / "logs" / "web.log"

    def start(self, mosaics: list[Path]) -> None:
        """Bring everything up and serve these mosaics; set up what is not there yet."""
        wanted = f"{self.port} {_fingerprint(mosaics)}"
        mark = self.work / "ready"
        if self.work.exists() and not (mark.exists() and mark.read_text() == wanted):
            shutil.rmtree(self.work)
        fresh = not self.work.exists()
        if fresh:
            self._make_tree(mosaics)
        self._configure()
        self.start_database()
        if fresh:
            self._dachs("init", "-d", f"host={self.work / 'pg'} dbname=gavo")
            self._place(mosaics)
            self._dachs("imp", "//obscore")
            self._dachs("imp", "//siap2")
            self._dachs("imp", "hetdex/lotss-dr1-img")
            self._dachs("pub", "hetdex/lotss-dr1-img")
            mark.write_text(wanted)
        self.start_server()

    def start_server(self) -> None:
        """Start DaCHS and wait until its form answers."""
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                self._as_user([*DACHS, "serve", "start", "-f"]),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self._environment(),
                cwd="/",
                start_new_session=True,
            )
        _until(60, lambda: _answers(f"{self.url}/cutout/form"), self._server, self.log)

    def stop_server(self) -> None:
        """Stop DaCHS alone; the database stays up."""
        self._server = _end(self._server)

    def start_database(self) -> None:
        """Start PostgreSQL on a socket in the work directory, and wait for it."""
        place = self.work / "pg"
        if not (place / "PG_VERSION").exists():
            self._run(
                [
                    str(PG / "initdb"),
                    "-D",
                    str(place),
                    "-A",
                    "trust",
                    "-E",
                    "UTF8",
                    "--locale=C.UTF-8",
                    "--no-sync",
                ]
            )
        with (self.work / "pg.log").open("ab") as log:
            self._database = subprocess.Popen(
                self._as_user(
                    [
                        str(PG / "postgres"),
                        "-D",
                        str(place),
                        "-k",
                        str(place),
                        "-c",
                        "listen_addresses=",
                        "-c",
                        "fsync=off",
                    ]
                ),
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        ready = [str(PG / "pg_isready"), "-q", "-h", str(place)]
        _until(
            30,
            lambda: subprocess.run(ready, check=False).returncode == 0,
            self._database,
            self.work / "pg.log",
        )
        there = self._run(
            [
                str(PG / "psql"),
                "-h",
                str(place),
                "-Atc",
                "select count(*) from pg_database where datname='gavo'",
                "postgres",
            ]
        )
        if there.strip() == "0":
            self._run(
                [str(PG / "createdb"), "-h", str(place), "-E", "UTF8", "-T", "template0", "gavo"]
            )

    def stop(self) -> None:
        """End what was started here, by its own process ids."""
        self.stop_server()
        self._database = _end(self._database, signal.SIGINT)

    def _make_tree(self, mosaics: list[Path]) -> None:
        """Make the directories, owned by the account the servers run as."""
        size = sum(path.stat().st_size for path in mosaics)
        print(f"test archive: setting up {len(mosaics)} images, {size / 1e6:.0f} MB", flush=True)
        self.work.mkdir(parents=True)
        for name in ("pg", "root"):
            (self.work / name).mkdir(mode=0o700)
        if os.geteuid() == 0:
            for path in (self.work, *self.work.iterdir()):
                shutil.chown(path, self.user, self.user)

    def _place(self, mosaics: list[Path]) -> None:
        """Link mosaics into the resource; DaCHS refuses "+" in a product's path: "_" stands in."""
        place = self.work / "root" / "inputs" / "hetdex"
        (place / "data").mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "archive.rd", place / "lotss-dr1-img.rd")
        for path in mosaics:
            copy = place / "data" / path.name.replace("+", "_")
            shutil.copyfile(path, copy)
            copy.chmod(0o644)
        if os.geteuid() == 0:
            for path in [place, *place.rglob("*")]:
                shutil.chown(path, self.user, self.user)

    def _configure(self) -> None:
        """Write the settings."""
        text = SETTINGS.format(
            root=self.work / "root",
            port=self.port,
            user=self.user,
            group=self.user if os.geteuid() == 0 else _own_group(),
        )
        (self.work / "gavo.rc").write_text(text)

    def _environment(self) -> dict[str, str]:
        """Return the environment in which DaCHS finds its settings and nobody else's."""
        return {
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.work),
            "GAVOSETTINGS": str(self.work / "gavo.rc"),
        }

    def _as_user(self, command: list[str]) -> list[str]:
        """Prefix a command so that it runs as the servers' account, and ends when we do."""
        account = [f"--reuid={self.user}", f"--regid={self.user}", "--init-groups"]
        root = os.geteuid() == 0
        return ["setpriv", "--pdeathsig=TERM", *(account if root else []), *command]

    def _dachs(self, *words: str) -> None:
        began = time.monotonic()
        self._run([*DACHS, *words])
        print(f"test archive: {' '.join(words[:2])} {time.monotonic() - began:.0f} s", flush=True)

    def _run(self, command: list[str]) -> str:
        """Run a command to its end and return what it printed, or say what it said."""
        done = subprocess.run(
            self._as_user(command),
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            env=self._environment(),
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stdout[-2000:]}\n{done.stderr[-3000:]}")
        return done.stdout


def _port_of_last_time(work: Path) -> int:
    """Return the port that the database's addresses have in them, or another if it is taken."""
    try:
        port = int((work / "ready").read_text().split()[0])
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (OSError, ValueError, IndexError):
        return free_port()
    return port


def free_port() -> int:
    """Return a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def archive(work: Path, mosaics: list[Path]) -> Iterator[Archive]:
    """Run an archive until the block ends."""
    server = Archive(work)
    try:
        server.start(mosaics)
        yield server
    finally:
        server.stop()


def _own_group() -> str:
    import grp

    return grp.getgrgid(os.getgid()).gr_name


def _fingerprint(mosaics: list[Path]) -> str:
    """Return what tells whether an archive set up earlier holds the same images."""
    lines = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in mosaics]
    lines.append((HERE / "archive.rd").read_text())
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _answers(url: str) -> bool:
    """Tell whether an address answers with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  loopback
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _until(seconds: float, ready: object, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server is ready, is dead or takes too long."""
    end = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            state = "died" if process.poll() is not None else f"silent for {seconds:g} s"
            raise RuntimeError(f"{process.args}: {state}\n{log.read_text()[-3000:]}")
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes] | None, how: int = signal.SIGTERM) -> None:
    """End a server that was started here."""
    if process is None:
        return
    process.send_signal(how)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """Run an archive from the command line."""
    if sys.argv[1:] != ["check"] and (len(sys.argv) != 4 or sys.argv[1] != "run"):
        sys.exit(__doc__)
    if absent := missing():
        sys.exit(absent)
    if sys.argv[1] == "check":
        return
    with archive(Path(sys.argv[2]).resolve(), sorted(Path(sys.argv[3]).glob("*.fits"))) as server:
        print(f"{server.url}/cutout/form")
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
