"""The command line on a machine without any network: one line and exit code 3, within seconds."""

import os
import shutil
import subprocess

import pytest

from builds import command

NO_NETWORK = ("unshare", "--map-root-user", "--net")
COMMANDS = {
    "plan of a search": ("plan", "lotss", "-s", "lotss-dr1"),
    "plan of cutouts": ("plan", "lotss", "-s", "lotss-dr2"),
    "fetch": ("fetch", "lotss", "-s", "lotss-dr3"),
    "build of rows": ("build", "lotss", "-s", "lotss-dr2-mosaics"),
    "build of mosaics": ("build", "lotss", "-s", "mosaics:https://lofar-surveys.org/public"),
    "build of an object store": ("build", "lotss", "-s", "mosaics:s3://bucket/mosaics"),
    "build into an object store": ("build", "lotss", "-s", "lotss-dr2", "-o", "s3://bucket/a"),
    "catalogue": ("build", "lotss", "-s", "lotss-dr2", "-c", "https://example.org/a.fits"),
    "cluster": ("build", "lotss", "-s", "lotss-dr2", "--dask", "tcp://192.0.2.1:8786"),
}


def has_namespaces() -> bool:
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run([*NO_NETWORK, "true"], capture_output=True, check=False).returncode
    )


@pytest.mark.slow
def test_every_command_ends_within_seconds(tmp_path):
    """All at once, since each waits for several seconds."""
    if not has_namespaces():
        pytest.skip("needs unshare and user namespaces, which are not here")
    catalogue = tmp_path / "sources.csv"
    catalogue.write_text("Source_Name,RA,DEC\nA,187.0,54.0\nB,188.0,54.5\n")
    environment = os.environ | {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    running = {}
    for name, arguments in COMMANDS.items():
        (tmp_path / name).mkdir()
        sources = () if "-c" in arguments else ("-c", catalogue)
        running[name] = subprocess.Popen(
            [*NO_NETWORK, *command(*arguments, *sources)],
            cwd=tmp_path / name, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    for name, process in running.items():
        # One command takes 3 to 9 s; here they share the cores with each other.
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 3, (name, output, errors)
        assert not output, name
        (line,) = errors.splitlines()
        assert line.startswith("mingolotss: "), name
        assert "check the address" in line, name
        assert not [path for path in (tmp_path / name).rglob("*") if path.is_file()], name
