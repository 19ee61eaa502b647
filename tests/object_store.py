"""An S3 server on this machine, as far as builds and exports use one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

# It also writes a line for each request for a range of bytes.
_SERVER = """
import os
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

def application(environ, start):
    line = f"RANGE {environ['PATH_INFO']} {environ.get('HTTP_RANGE', '')}"
    os.write(2, line.encode() + bytes([10]))
    return store(environ, start)

store = DomainDispatcherApplication(create_backend_app)
run_simple("127.0.0.1", 0, application, threaded=True)
"""


class ObjectStore(NamedTuple):
    """A server with one empty bucket.

    Attributes
    ----------
    bucket : str
    log : Path
        A file with a line for each request, and one that begins with RANGE, its path and range.
    """

    bucket: str
    log: Path


@contextmanager
def object_store(folder: Path, bucket: str) -> Iterator[ObjectStore]:
    """Run an S3 server of moto, which this process and those it starts find by the environment.

    Parameters
    ----------
    folder : Path
        For the log. A pipe that nobody empties would stop the server.
    bucket : str
    """
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("s3fs", reason="needs pip install 'mingolotss[dask]'")
    pytest.importorskip("moto", reason="needs the S3 server of moto")
    log = folder / "log"
    with log.open("w") as stream:
        server = subprocess.Popen([sys.executable, "-c", _SERVER], stderr=stream)
    try:
        while not (address := re.search(r"Running on (\S+)", log.read_text())):
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        settings = {"AWS_ENDPOINT_URL": address[1], "AWS_ACCESS_KEY_ID": "x",
                    "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            for key, value in settings.items():
                patch.setitem(os.environ, key, value)
            fsspec.filesystem("s3").mkdir(bucket)
            yield ObjectStore(bucket, log)
    finally:
        server.kill()
        server.wait()
