"""Fetching a dataset: resumed, checked, unpacked safely or not at all."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import multiprocessing
import os
import subprocess
import sys
import tarfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from mingolotss.errors import DatasetError, InputError, ServiceError
from mingolotss.io.http import RetryPolicy, Transport
from mingolotss.loaders import download as module
from mingolotss.loaders import extract as extract_module
from mingolotss.loaders.arrays import load
from mingolotss.loaders.download import PUBLISHED, Archive, download
from mingolotss.loaders.extract import extract
from readers_data import make_images, write_batches
from serving import serving

IMAGES = make_images(24)
LABELS = [index % 10 for index in range(24)]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Pack six batches as the published archive is packed."""
    root = write_batches(tmp_path_factory.mktemp("source"), IMAGES, LABELS)
    path = root / "batches.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(root / "mingo-batches-py", "mingo-batches-py")
    return path


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """A real HTTP server of one file: with ranges or without, or one that hangs up early."""

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.ranges, self.cut_at, self.requests = content, True, None, []
        self.longest = None  # bytes of one answer, which then says what it holds

    @property
    def url(self):
        """Give the file's address."""
        return f"http://127.0.0.1:{self.server_port}/batches.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends a range of the file, all of it, or only the beginning of the range."""

    def do_GET(self):
        """Answer one request."""
        content, requested = self.server.content, self.headers.get("Range")
        self.server.requests.append(requested)
        start, end = 0, len(content) - 1
        if requested and self.server.ranges:
            start, end = (int(part) for part in requested.removeprefix("bytes=").split("-"))
            end = min(end, len(content) - 1)
            if start > end:
                self.send_error(416)
                return
        if self.server.longest is not None:
            end = min(end, start + self.server.longest - 1)
        self.send_response(206 if requested and self.server.ranges else 200)
        if self.server.longest is not None:
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        self.send_header("Content-Length", str(end - start + 1))
        self.end_headers()
        if self.server.cut_at is not None and end > self.server.cut_at:
            self.wfile.write(content[start : max(start, self.server.cut_at)])
            self.connection.close()
            return
        self.wfile.write(content[start : end + 1])

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server(packed):
    with serving(Server(packed.read_bytes())) as server:
        yield server


@pytest.fixture
def client(monkeypatch):
    """Ranges of 10 kB, and a client that gives up at once."""
    monkeypatch.setattr(module, "_CHUNK", 10_000)
    retry_policy = RetryPolicy(attempts=2, first_s=0.0, longest_s=0.0, outage_s=0.0)
    return Transport(retry_policy=retry_policy, sleep=lambda _: None)


def test_a_path_is_opened(packed, tmp_path):
    """An archive on this machine needs no address, and a checksum only if one wants it."""
    assert download(tmp_path / "new", Archive(str(packed)))
    np.testing.assert_array_equal(load(tmp_path / "new").images, IMAGES)
    assert not download(tmp_path / "new", Archive(str(packed)))
    assert download(tmp_path / "b", Archive(packed.as_uri(), sha256(packed)))


@pytest.mark.parametrize("ranges", [True, False])
def test_an_address_is_fetched(server, packed, tmp_path, client, ranges):
    """In ranges where the server has them, in one piece where it has not."""
    server.ranges = ranges
    assert download(tmp_path, Archive(server.url, sha256(packed)), client)
    np.testing.assert_array_equal(load(tmp_path).images, IMAGES)
    requested = [line for line in server.requests if line]
    assert len(requested) == (-(-len(server.content) // 10_000) if ranges else 1)
    assert not list(tmp_path.glob("*.partial"))


def test_a_length_that_is_a_multiple_of_the_range(server, packed, tmp_path, client, monkeypatch):
    """The last range is full: the one after it is past the end, which is no error."""
    monkeypatch.setattr(module, "_CHUNK", len(server.content))
    assert download(tmp_path, Archive(server.url, sha256(packed)), client)


def test_short_answers_are_asked_on_from_where_they_end(server, packed, tmp_path, client):
    """A server may send fewer bytes than it was asked for (RFC 9110, section 15.3.7)."""
    server.longest = 3_333
    assert download(tmp_path, Archive(server.url, sha256(packed)), client)
    np.testing.assert_array_equal(load(tmp_path).images, IMAGES)
    assert len(server.requests) == -(-len(server.content) // 3_333)


@pytest.mark.slow
def test_answers_of_one_byte_end(server, packed, tmp_path, client):
    """Each makes progress, but not enough; what arrived is kept."""
    server.longest = 1
    with pytest.raises(ServiceError, match="1000 answers end early"):
        download(tmp_path, Archive(server.url, sha256(packed)), client)
    assert len(server.requests) == 1000


def test_an_interrupted_download_resumes(server, packed, tmp_path, client):
    """The bytes that arrived before the connection broke are not requested again."""
    server.cut_at = 25_000
    with pytest.raises(ServiceError):
        download(tmp_path, Archive(server.url, sha256(packed)), client)
    assert (tmp_path / "batches.tar.gz.partial").stat().st_size == 20_000
    server.cut_at, server.requests = None, []
    assert download(tmp_path, Archive(server.url, sha256(packed)), client)
    assert server.requests[0] == "bytes=20000-29999"
    assert len(load(tmp_path)) == 24


def test_a_partial_download_of_another_file_is_discarded(server, packed, tmp_path, client):
    """The archive on the server has changed: it is downloaded again from its start, once."""
    (tmp_path / "batches.tar.gz.partial").write_bytes(b"another file" * 100)
    assert download(tmp_path, Archive(server.url, sha256(packed)), client)


def test_a_wrong_checksum_unpacks_nothing(server, packed, tmp_path, client):
    """Neither from an address nor from a path, and the wrong download does not stay."""
    for url in (server.url, str(packed)):
        with pytest.raises(DatasetError, match=r"checksum is .*, not 0{64}; nothing was unpacked"):
            download(tmp_path / "root", Archive(url, "0" * 64), client)
        assert not (tmp_path / "root").exists() or not list((tmp_path / "root").iterdir())
    assert packed.exists()


def test_an_address_needs_a_checksum(tmp_path):
    """No request is sent without one."""
    with pytest.raises(InputError, match="give its sha256"):
        download(tmp_path, Archive("http://127.0.0.1:9/x.tar.gz"))


def test_many_at_once_fetch_once(server, packed, tmp_path, client):
    """Eight processes of one training start together: one fetches, seven find it there."""
    archive = Archive(server.url, sha256(packed))
    with ThreadPoolExecutor(8) as pool:
        downloaded = list(pool.map(lambda _: download(tmp_path / "r", archive, client), range(8)))
    assert sorted(downloaded) == [False] * 7 + [True]
    assert len(server.requests) == -(-len(server.content) // 10_000)


@pytest.mark.slow
def test_processes_of_one_training_download_once(server, packed, tmp_path):
    """Real processes, as PyTorch starts them: one downloads, and no lock file is left."""
    archive = Archive(server.url, sha256(packed))
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        downloaded = list(pool.map(download, [tmp_path / "r"] * 3, [archive] * 3))
    assert sorted(downloaded) == [False, False, True]
    assert len(server.requests) == 1
    assert not list((tmp_path / "r").glob(".*"))


WITHOUT_FCNTL = """
import sys, warnings
sys.modules["fcntl"] = None
warnings.simplefilter("ignore")  # filelock warns that it has no lock of the operating system
from pathlib import Path
import mingolotss
from mingolotss.loaders.download import Archive, download
root = Path(sys.argv[2])
print(download(root, Archive(sys.argv[1])), len(mingolotss.load(root)), list(root.glob(".*")))
"""


@pytest.mark.slow
def test_downloading_and_loading_work_without_fcntl(packed, tmp_path):
    """Not every platform has fcntl."""
    arguments = [sys.executable, "-c", WITHOUT_FCNTL, packed, tmp_path / "r"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "24", "[]"], done.stderr


def test_a_dataset_on_read_only_storage_needs_no_lock(packed, tmp_path, monkeypatch):
    """Where nothing can be written, a dataset that is there is used."""
    download(tmp_path / "r", Archive(str(packed)))
    monkeypatch.setattr(module.os, "access", lambda *_: False)  # root may write everywhere
    monkeypatch.setattr(module, "file_lock", lambda _: pytest.fail("needs no lock"))
    assert not download(tmp_path / "r", Archive(str(packed)))


def test_the_published_archive_is_checked_file_by_file(packed, tmp_path):
    """Another archive under its name is refused even with the archive's own checksum right."""
    with pytest.raises(DatasetError, match="data_batch_1 in it is not the published one"):
        download(tmp_path, Archive(str(packed), sha256(packed), PUBLISHED.files))


def test_the_dataset_class_downloads(server, packed, tmp_path):
    """The address and the sha256 are enough; a dataset that is there is not requested again."""
    pytest.importorskip("torch", reason="needs mingolotss[torch]")
    from mingolotss.loaders.torch import MingoLoTSS

    dataset = MingoLoTSS(tmp_path, url=server.url, sha256=sha256(packed))
    assert dataset.targets == LABELS[:20]
    count = len(server.requests)
    MingoLoTSS(tmp_path, url=server.url, sha256=sha256(packed))
    assert len(server.requests) == count
    assert len(MingoLoTSS(tmp_path / "other", url=packed, train=False)) == 4


def tar_of(*members, mode="w:gz"):
    """Write a tar of (TarInfo changes, content) by hand."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for changes, content in members:
            entry = tarfile.TarInfo("mingo-batches-py/batches.meta")
            entry.size = len(content)
            for name, value in changes.items():
                setattr(entry, name, value)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


GOOD = ({}, b"x" * 3000)
HOSTILE = {
    "a way out": (({"name": "../outside"}, b"x"), "outside its folder"),
    "a way out, later": (({"name": "a/../../outside"}, b"x"), "outside its folder"),
    "an absolute name": (({"name": "/outside"}, b"x"), "outside its folder"),
    "a backslash": (({"name": "..\\outside"}, b"x"), "outside its folder"),
    "a symbolic link": (({"type": tarfile.SYMTYPE, "linkname": "/etc"}, b""), "link or a device"),
    "a hard link": (({"type": tarfile.LNKTYPE, "linkname": "../x"}, b""), "link or a device"),
    "a device": (({"type": tarfile.CHRTYPE}, b""), "link or a device"),
    "a pipe": (({"type": tarfile.FIFOTYPE}, b""), "link or a device"),
    "a name twice": (({}, b"y"), "in it twice"),
    "a set-uid file": (({"name": "s", "mode": 0o4777}, b"x"), None),
}


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(("member", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_member_unpacks_nothing(tmp_path, member, reason):
    """Good members before it do not stay either, and nothing appears outside."""
    path = tmp_path / "x.tar.gz"
    path.write_bytes(tar_of(GOOD, member))
    root = tmp_path / "deep" / "root"
    if reason is None:
        extract(path, root)
        assert (root / "s").stat().st_mode & 0o7000 == 0
        return
    with pytest.raises(DatasetError, match=f"^unpack {path}: .*{reason}.*nothing was") as caught:
        extract(path, root)
    assert "\n" not in str(caught.value)
    assert [name for name in listing(tmp_path) if name != "deep"] == ["x.tar.gz"]
    assert not os.path.lexists(tmp_path / "outside")


@pytest.mark.slow
def test_a_gzip_bomb_is_refused_early(tmp_path):
    """300 MB of zeros in 1 MB: stopped at the limit, not after it."""
    path = tmp_path / "x.tar.gz"
    with gzip.open(path, "wb", 1) as file:
        header = tarfile.TarInfo("zeros")
        header.size = 300 << 20
        file.write(header.tobuf())
        for _ in range(300):
            file.write(bytes(1 << 20))
    with pytest.raises(DatasetError, match=r"more than \d+ MiB, like a bomb; nothing was unpacked"):
        extract(path, tmp_path / "root")
    assert listing(tmp_path) == ["x.tar.gz"]


def test_a_bomb_in_a_header_is_refused(tmp_path):
    """A name of 300 MB, which tarfile would read into memory."""
    path = tmp_path / "x.tar.gz"
    with gzip.open(path, "wb", 1) as file:
        header = tarfile.TarInfo("././@LongLink")
        header.type, header.size = tarfile.GNUTYPE_LONGNAME, 300 << 20
        file.write(header.tobuf())
        for _ in range(300):
            file.write(b"a" * (1 << 20))
    with pytest.raises(DatasetError, match="like a bomb"):
        extract(path, tmp_path / "root")


def header(name, size, kind=tarfile.REGTYPE, *, pax=None):
    """Write the blocks of one tar header, with another size than `TarInfo` would let pass."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.pax_headers = kind, pax or {}
    blocks = bytearray(entry.tobuf(tarfile.PAX_FORMAT))
    field = len(blocks) - 512 + 124
    if size >= 0:
        blocks[field : field + 12] = b"%011o\0" % size
    else:  # base 256, as GNU tar writes numbers that do not fit
        blocks[field : field + 12] = b"\xff" + (256**11 + size).to_bytes(11)
    blocks[field + 24 : field + 32] = b" " * 8
    total = sum(blocks[-512:])
    blocks[field + 24 : field + 32] = b"%06o\0 " % total
    return bytes(blocks)


def old_sparse(entries, real):
    """Write the header of an old GNU sparse file: (offset, bytes) of each piece, and its size."""
    blocks = bytearray(header("s", sum(size for _, size in entries), tarfile.GNUTYPE_SPARSE))
    for number, (offset, size) in enumerate(entries):
        blocks[386 + 24 * number : 386 + 24 * number + 24] = b"%011o\0%011o\0" % (offset, size)
    blocks[483:495] = b"%011o\0" % real
    blocks[148:156] = b" " * 8
    blocks[148:156] = b"%06o\0 " % sum(blocks)
    return bytes(blocks)


END = bytes(1024)
SPARSE_1_0 = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9" * 10}
HOSTILE_BYTES = {
    "an old sparse file of 8 GB": old_sparse([(0, 512), (8 << 30, 0)], 8 << 30) + bytes(512) + END,
    "a sparse file of 10 GB (PAX 1.0)": header("s", 512, pax=SPARSE_1_0)
    + b"1\n0\n512\n".ljust(512, b"\0") + END,
    "a sparse file (PAX 0.1)": header(
        "s", 512, pax={"GNU.sparse.map": "0,512", "GNU.sparse.size": "9" * 10}
    ) + bytes(512) + END,
    "a negative size": header("a", -512) + END,
    "a negative size in a header of its own": header("a", 0, pax={"size": "-1024"}) + END,
    "a long name of negative size": header("a", -1536, tarfile.GNUTYPE_LONGNAME) + END,
    "long names for ever": header("a", 512, tarfile.GNUTYPE_LONGNAME) + b"b".ljust(512, b"\0"),
    "a chain of long names": (
        header("a", 512, tarfile.GNUTYPE_LONGNAME) + b"b".ljust(512, b"\0")
    ) * 3000 + END,
    "a chain of global headers": header("g", 512, tarfile.XGLTYPE) * 3000 + END,
    "a sparse file without its second header": old_sparse([(0, 0)], 0)[:482] + b"\1"
    + old_sparse([(0, 0)], 0)[483:],
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE_BYTES.values(), ids=HOSTILE_BYTES.keys())
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_forged_headers_unpack_nothing(tmp_path, content, pack):
    """No file of zeros that the archive does not hold, no loop, no traceback."""
    path = tmp_path / "x.tar"
    path.write_bytes(pack(content))
    with pytest.raises(DatasetError, match=f"^unpack {path}: .*nothing was unpacked") as caught:
        extract(path, tmp_path / "root")
    assert str(caught.value).isprintable()
    assert listing(tmp_path) == ["x.tar"]


def test_a_bomb_of_empty_files_is_refused(tmp_path, monkeypatch):
    """Thousands of files in some bytes each: real ones take more."""
    monkeypatch.setattr(extract_module, "_MEMBERS", 10)
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(b"".join(header(f"d/{n}", 0) for n in range(500)) + END))
    with pytest.raises(DatasetError, match=r"it holds more than \d+ files, like a bomb"):
        extract(path, tmp_path / "root")
    assert listing(tmp_path) == ["x.tar.gz"]


def test_what_follows_the_archive_is_bounded(tmp_path, packed):
    """Later members of the gzip file, 300 MB of zeros, which tar never reads."""
    path = tmp_path / "x.tar.gz"
    path.write_bytes(packed.read_bytes() + gzip.compress(bytes(300 << 20), 1))
    with pytest.raises(DatasetError, match="like a bomb"):
        extract(path, tmp_path / "root")


def test_the_stage_of_a_killed_process_is_removed(tmp_path, packed):
    """The next download into the folder does it."""
    stage = tmp_path / "root" / ".part-99999-unpack" / "mingo-batches-py"
    stage.mkdir(parents=True)
    (stage / "data_batch_1").write_bytes(b"x")
    extract(packed, tmp_path / "root")
    assert not list((tmp_path / "root").glob(".part-*"))


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97, 0.9999])
@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_a_truncated_archive_unpacks_nothing(tmp_path, packed, share, mode):
    """Wherever it was cut, compressed or not."""
    content = packed.read_bytes() if mode == "w:gz" else gzip.decompress(packed.read_bytes())
    if mode == "w":
        content = content.rstrip(b"\0")
    path = tmp_path / "x.tar"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DatasetError, match=f"^unpack {path}: damaged or cut short"):
        extract(path, tmp_path / "root")
    assert listing(tmp_path) == ["x.tar"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is an empty file, and not a tar"),
        (b"<html>404</html>", r'it is an HTML page \("404"\), and not a tar'),
        (b"PK\x03\x04" + bytes(60), "it is a zip archive, and not a tar"),
        (b"\xfd7zXZ\x00" + bytes(60), "it is compressed with xz, and not a tar"),
        (b'{"message": "Not found"}', r"it is a text \(.*Not found.*\), and not a tar"),
        (gzip.compress(b"text", mtime=0), "damaged or cut short"),
        (bytes(99), "damaged or cut short"),
    ],
)
def test_something_else_is_refused(tmp_path, content, reason):
    """A web page, an empty file, another archive, a gzip of text: the line says what it is."""
    path = tmp_path / "x.tar.gz"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=f"^unpack {path}: {reason}"):
        extract(path, tmp_path / "root")
    assert listing(tmp_path) == ["x.tar.gz"]


def test_a_flipped_bit_is_noticed(tmp_path, packed):
    """The sum at the end of the gzip is read even though tar needs nothing after its last block."""
    content = bytearray(packed.read_bytes())
    content[-6] ^= 1
    path = tmp_path / "x.tar.gz"
    path.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match="damaged or cut short"):
        extract(path, tmp_path / "root")


def test_nothing_is_overwritten(tmp_path, packed):
    """A folder of the user's in the way stays as it is."""
    (tmp_path / "mingo-batches-py").mkdir()
    (tmp_path / "mingo-batches-py/mine").write_text("mine")
    with pytest.raises(DatasetError, match="mingo-batches-py is in its way"):
        download(tmp_path, Archive(str(packed)))
    assert listing(tmp_path) == ["mingo-batches-py", "mingo-batches-py/mine"]
