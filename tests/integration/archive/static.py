"""nginx from Debian as a plain static server, with a configuration and a port of its own."""

import contextlib
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from dachs_server import free_port

CONFIGURATION = """\
daemon off;
{user}
worker_processes 1;
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 64; }}
http {{
  log_format sent '$request_method $uri $status $bytes_sent $http_range';
  access_log {work}/access.log sent;
  client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
  uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
  server {{ listen 127.0.0.1:{port}; root {root}; autoindex on; {extra} }}
}}
"""


class Static:
    """A running nginx: its address, and what it sent."""

    def __init__(self, url: str, log: Path) -> None:
        self.url, self.log = url, log

    def sent(self) -> list[tuple[str, int, int]]:
        """Return path, status and bytes of every answer so far."""
        time.sleep(0.05)
        rows = [line.split(" ") for line in self.log.read_text().splitlines()]
        return [(row[1], int(row[2]), int(row[3])) for row in rows]


@contextlib.contextmanager
def nginx(work: Path, root: Path, extra: str = "") -> Iterator[Static]:
    """Serve a folder until the block ends."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    work.mkdir(parents=True, exist_ok=True)
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    text = CONFIGURATION.format(work=work, root=root, port=port, extra=extra, user=user)
    (work / "nginx.conf").write_text(text)
    process = subprocess.Popen(
        [program, "-c", str(work / "nginx.conf"), "-p", str(work)], stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
                break
            time.sleep(0.05)
        yield Static(url, work / "access.log")
    finally:
        process.terminate()
        process.wait(10)
