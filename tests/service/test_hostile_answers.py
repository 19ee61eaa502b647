"""Answers of an archive that lead elsewhere, and credentials that must stay where they belong.

The archive is on 127.0.0.2, which stands for any host: another server on 127.0.0.1 is then a
private host that no answer may lead to.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mingolotss import cli
from mingolotss.dataset.manifest import read_manifest
from mingolotss.errors import InputError, RecipeError, ServiceAnswerError, ServiceUnavailableError
from mingolotss.io.http import Transport
from mingolotss.loaders.download import Archive, download
from mingolotss.pipeline.inputs import resolve_catalogue
from mingolotss.pipeline.run import build
from mingolotss.recipe.load import load_recipe
from mingolotss.service import SERVICES
from mingolotss.service.base import open_service
from mingolotss.service.remote.form import LotssDr1FormService
from mingolotss.service.remote.sia2 import Sia2Service
from misbehave import Line, Reply, Server, always, running
from small_archive import NAMES, catalogue, make, quick, rows, script, votable

INNER = b"<html>root password of the router is hunter2</html>"
USER, SECRET = "me", "s3cr3t:p@ss/w?rd"
QUOTED = "s3cr3t%3Ap%40ss%2Fw%3Frd"


@contextlib.contextmanager
def archive(replies: dict[str, Reply]) -> Iterator[Server]:
    with running(replies, "127.0.0.2") as server:
        yield server


def every_byte(folder: Path) -> bytes:
    """All names and contents below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"".join(str(path).encode() + path.read_bytes() for path in files)


ELSEWHERE = [
    "{inner}/P1_5-mosaic.fits", "//{inner_host}/P1_5-mosaic.fits", "file:///etc/P1_5-mosaic.fits",
    "http://x@{inner_host}/P1_5-mosaic.fits", "http://0x7f.1:{port}/P1_5-mosaic.fits",
    "http://[::ffff:127.0.0.1]:{port}/P1_5-mosaic.fits", "ftp://{inner_host}/P1_5-mosaic.fits",
    "http://[::1/P1_5-mosaic.fits", "http://169.254.169.254/P1_5-mosaic.fits",
    "http://a\\@{inner_host}/P1_5-mosaic.fits", "data:image/fits,P1_5-mosaic.fits",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("address", ELSEWHERE)
@pytest.mark.parametrize("via", ["answer", "redirect"])
def test_an_answer_that_leads_elsewhere_is_one_rejection(address, via, tmp_path):
    """The inner server is not asked, and nothing that it says is in any file of the build."""
    with running({"*": always(INNER)}) as inner:
        port = inner.server_address[1]
        url = address.format(inner=inner.url, inner_host=f"127.0.0.1:{port}", port=port)
        if via == "answer":
            table = votable(rows(url.replace("&", "&amp;")))
            replies = script(search=lambda line, _: line.send(table))
        else:
            replies = script(always(b"", "302 Found", Location=url))
        with archive(replies) as server:
            found = make(server, tmp_path / "build")
        assert not inner.asked
    assert [row["status"] for row in found] == ["written", "rejected", "written"]
    assert b"hunter2" not in every_byte(tmp_path)


@pytest.mark.parametrize("place", ["image", "datalink", "soda"])
def test_no_document_of_sia_2_leads_elsewhere(place):
    """The address of an image, of a DataLink document, and of a SODA service in one."""
    fields = {"access_url": "", "access_format": "", "obs_publisher_did": ""}
    datalink_type = "application/x-votable+xml;content=datalink"
    with running({"*": always(INNER)}) as inner:

        def search(line: Line, _: int) -> None:
            url = f"{inner.url if place != 'soda' else line.server.url}/datalink"
            kind = "image/fits" if place == "image" else datalink_type
            line.send(_table(fields, [(url, kind, "ivo://x/P1_5-mosaic.fits")]))

        def datalink(line: Line, _: int) -> None:
            parameters = {
                "standardID": "ivo://ivoa.net/std/SODA#sync-1.0",
                "accessURL": f"{inner.url}/soda",
            }
            service = "".join(
                f'<PARAM name="{name}" datatype="char" arraysize="*" value="{value}"/>'
                for name, value in parameters.items()
            )
            resource = f'<RESOURCE type="meta" utype="adhoc:service">{service}</RESOURCE>'
            line.send(_table({"ID": ""}, [], resource))

        with archive({"/sia2": search, "/datalink": datalink}) as server:
            service = Sia2Service(f"{server.url}/sia2", transport=quick())
            (outcome,) = service.search_all(catalogue().head(1), 0.1)
            if isinstance(outcome, list):
                source = catalogue().source(0)
                with pytest.raises(ServiceAnswerError, match="a private address") as caught:
                    service.fetch_bytes(outcome[0].image, source, 0.1)
                outcome = caught.value
        assert "private address" in str(outcome)
        assert not inner.asked


def _table(fields: dict[str, str], cells: list[tuple[str, ...]], more: str = "") -> bytes:
    columns = "".join(f'<FIELD name="{n}" datatype="char" arraysize="*"/>' for n in fields)
    body = "".join("<TR>" + "".join(f"<TD>{c}</TD>" for c in row) + "</TR>" for row in cells)
    return (
        '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        '<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/>'
        f"<TABLE>{columns}<DATA><TABLEDATA>{body}</TABLEDATA></DATA></TABLE></RESOURCE>{more}"
        "</VOTABLE>"
    ).encode()


def guarded(replies: dict[str, Reply]) -> dict[str, Reply]:
    """Return replies that need the user and the password."""
    expected = "Basic " + base64.b64encode(f"{USER}:{SECRET}".encode()).decode()

    def guard(reply: Reply) -> Reply:
        def reply_if_allowed(line: Line, number: int) -> None:
            if line.request_headers.get("authorization") == expected:
                reply(line, number)
            else:
                line.send(b"who are you?", "401 Unauthorized", WWW_Authenticate="Basic")

        return reply_if_allowed

    return {path: guard(reply) for path, reply in replies.items()}


def with_credentials(url: str) -> str:
    return url.replace("://", f"://{USER}:{QUOTED}@")


@pytest.mark.slow
def hidden(*texts: bytes | str) -> bool:
    """Tell whether neither the secret nor its encodings are in the texts."""
    forms = [SECRET, QUOTED, "s3cr3t", base64.b64encode(f"{USER}:{SECRET}".encode()).decode()]
    everything = b"".join(t.encode() if isinstance(t, str) else t for t in texts)
    return not any(form.encode() in everything for form in forms)


@pytest.mark.slow
def test_credentials_are_used_and_are_in_no_file_and_no_line(tmp_path, capsys, monkeypatch):
    """Build, fetch, resume, status, report, export and verify of an archive with a password."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sources.csv").write_text(
        "Source_Name,RA,DEC\n" + "".join(
            f"{s.name},{s.ra},{s.dec}\n" for s in map(catalogue().source, range(len(NAMES)))
        )
    )  # fmt: skip
    with running(guarded(script(always(b"gone", "404 Not Found")))) as server:
        service = "sia:" + with_credentials(f"{server.url}/siap")
        for command in (
            ["plan", "lotss", "--catalogue", "sources.csv", "--service", service, "--out", "b"],
            ["build", "lotss", "--catalogue", "sources.csv", "--service", service, "--out", "b"],
            ["build", "lotss", "--catalogue", "sources.csv", "--service", service, "--out", "b"],
            ["status", "b", "--rejected"], ["report", "b"], ["verify", "b"],
            ["export", "b", "--format", "parquet", "--out", "e"],
        ):  # fmt: skip
            with pytest.raises(SystemExit) as ended:
                cli.main(command)
            assert ended.value.code in {0, 1}, command  # 1: one source is rejected
        status = [row["status"] for row in read_manifest(tmp_path / "b").to_pylist()]
        assert status == ["written", "rejected", "written"]
        wrong = service.replace("s3cr3t", "s3cr3t-wrong")
        with pytest.raises(SystemExit) as ended:
            cli.main(["build", "lotss", "--catalogue", "sources.csv", "--service", wrong,
                      "--out", "w"])  # fmt: skip
        assert ended.value.code == 3
        assert "127.0.0.1" in (tmp_path / "b" / "recipe.toml").read_text()
    output = capsys.readouterr()
    assert f"search sia:{server.url}/siap for 3 sources: no search succeeded" in output.err
    assert hidden(every_byte(tmp_path), output.out, output.err)


def test_credentials_go_to_their_host_only(tmp_path):
    """Not to the host that a redirect leads to, nor to another port, nor back in the clear."""
    seen = []

    def note(line: Line, _: int) -> None:
        seen.append(line.request_headers.get("authorization"))
        line.send(b"x")

    with running({"*": note}) as other:
        moved = always(b"", "302 Found", Location=f"{other.url}/x")
        with running(guarded({"/a": moved, "/b": always(b"own")})) as server:
            client = Transport()
            assert client.get(with_credentials(f"{server.url}/a")).body == b"x"
            assert client.get(f"{server.url}/b").body == b"own"
            client.get(f"{other.url}/y")
    assert seen == [None, None]


@pytest.mark.parametrize("name", ["mosaics", "ranges", "lotss-dr2", "lotss-dr1", "sia2", "soda"])
def test_no_service_keeps_credentials_in_its_name_or_addresses(name):
    service = open_service(f"{name}:https://{USER}:{QUOTED}@archive.example/x?ID=ivo://a/b.fits")
    assert hidden(str(service), repr(vars(service)))


@pytest.mark.parametrize(
    "address",
    ["sia:https://me:s3cr3t/x@a.example/", "sia:https://me:s3cr3t?x@a.example/",
     "sia:https://me:s3cr3t#x@a.example/", "mosaics:ftp://me:s3cr3t@a.example/m",
     "lotss-dr1-form:https://me:s3cr3t@a.example/form", "ranges:me:s3cr3t@a.example",
     "https://me:s3cr3t@a.example/", "nosuch:https://me:s3cr3t@a.example/"],
)  # fmt: skip
def test_a_refused_address_does_not_show_its_password(address):
    with pytest.raises(InputError) as caught:
        open_service(address)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [{"images.service": f"sia:https://{USER}:{QUOTED}@a.example/"},
     {"catalogue.url": f"https://{USER}:{QUOTED}@a.example/c.fits"},
     {"published.url": f"https://{USER}:{QUOTED}@a.example/a.tar.gz"}],
)  # fmt: skip
def test_a_recipe_has_no_credentials(change):
    """Every dataset publishes its recipe."""
    with pytest.raises(RecipeError, match="a user name or a password") as caught:
        load_recipe("lotss").changed(change)
    assert hidden(str(caught.value))


@pytest.mark.web
def test_the_browser_asks_no_other_host():
    """A form that redirects into the private network, and one that fetches from there."""
    pytest.importorskip("selenium", reason="needs mingolotss[browser]")
    inside = "<html><body><img src={0}/i><iframe src={0}/f></iframe><script src={0}/s></script>down"
    with running({"*": always(INNER)}) as inner:
        redirect = always(b"", "302 Found", Location=f"{inner.url}/form")
        page = always(inside.format(inner.url).encode(), Content_Type="text/html")
        for reply in (redirect, page):
            with archive({"*": reply}) as server:
                service = LotssDr1FormService(f"{server.url}/form", transport=quick())
                (outcome,) = service.search_all(catalogue().head(1), 0.1)
            assert isinstance(outcome, ServiceUnavailableError)
            assert "hunter2" not in str(outcome)
        assert not inner.asked


class PlugIn:
    """A service of another package, which keeps its address as it is."""

    def __init__(self, address: str) -> None:
        self.address = address

    @classmethod
    def open(cls, argument: str, **_options: object) -> PlugIn:
        return cls(argument)

    def __str__(self) -> str:
        return f"plug-in:{self.address}"

    def search(self, position: object, size: object) -> list:
        raise ServiceUnavailableError(f"ask {self.address}: no answer", url=self.address)


@pytest.mark.parametrize("kind", ["name", "object"])
def test_the_address_of_a_plug_in_is_recorded_without_credentials(kind, tmp_path, monkeypatch):
    """In recipe.toml, and in the reasons that the plug-in gives."""
    monkeypatch.setitem(SERVICES._known, "plug-in", (PlugIn, "plug-in:URL"))
    address = f"https://{USER}:{QUOTED}@archive.example/"
    service = f"plug-in:{address}" if kind == "name" else PlugIn(address)
    build(load_recipe("lotss"), out=tmp_path / "b", catalogue=catalogue(), service=service)
    assert "plug-in:https://archive.example/" in (tmp_path / "b" / "recipe.toml").read_text()
    assert hidden(every_byte(tmp_path))


def test_a_catalogue_with_a_password_leaves_no_trace(tmp_path):
    text = b"Source_Name,RA,DEC\nA,10,40\n"
    with running(guarded({"/c.csv": always(text)})) as server:
        url = with_credentials(f"{server.url}/c.csv")
        read = resolve_catalogue(load_recipe("lotss"), url, None, tmp_path, transport=quick())
        assert read.names == ["A"] or list(read.names) == ["A"]
        wrong = url.replace("s3cr3t", "s3cr3t-wrong")
        with pytest.raises(ServiceUnavailableError, match="status 401") as caught:
            resolve_catalogue(load_recipe("lotss"), wrong, None, tmp_path / "2", transport=quick())
        (folder,) = (tmp_path / "searches" / "catalogue").iterdir()
        again = url.replace(f"{USER}:{QUOTED}@", "x:y@")  # is there, so that it is not requested
        resolve_catalogue(load_recipe("lotss"), again, None, tmp_path, transport=quick())
        assert list((tmp_path / "searches" / "catalogue").iterdir()) == [folder]
    assert hidden(every_byte(tmp_path), str(caught.value))


@pytest.mark.parametrize("address", ["http://[x", "https://", "http://a\\@b/c.csv", "http://a:b/c"])
def test_an_address_that_is_none_is_one_line(address, tmp_path):
    """Of a catalogue, an archive, and a service."""
    with pytest.raises(ServiceAnswerError):
        resolve_catalogue(load_recipe("lotss"), address, None, tmp_path)
    with pytest.raises(ServiceAnswerError):
        download(tmp_path / "d", Archive(address, "0" * 64))
    with pytest.raises(InputError):
        open_service(f"sia:{address}")


@pytest.mark.slow
def test_texts_of_servers_have_no_escape_sequences(tmp_path):
    """In an error page, in a location, in a header of ranges, in a message of a service."""
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\u2028x\r\n"
    found = []
    for reply in (
        always(evil.encode(), "404 Not Found"),
        always(b"<html>" + evil.encode()),
        always(
            b"",
            "302 Found",
            Location="file://" + evil.replace("\r\n", "").encode().decode("latin-1"),
        ),
    ):
        with running(script(reply)) as server:
            found += [make(server, tmp_path / str(len(found)))[1]["reason"]]
    refused = votable("", "ERROR").replace(b"ERROR: POS", ("no\u202e\u0085" + "POS").encode())
    with running(script(search=always(refused))) as server:
        found += [make(server, tmp_path / "votable")[1]["reason"]]
    assert all(reason.isprintable() for reason in found), found
    assert "owned" in found[0]
