"""An export in an object store: complete, or nothing that looks complete."""

from __future__ import annotations

import pytest

from mingolotss.errors import InputError
from mingolotss.io.files import file_system, locate
from mingolotss.publish.staging import staged_export

pytest.importorskip("upath", reason="needs pip install 'mingolotss[dask]'")

NAMES = ["checksums.sha256", "data/x", "manifest.parquet"]


@pytest.fixture
def out(tmp_path):
    """A folder in a store that no other test uses."""
    return locate(f"memory://{tmp_path.name}/out")


def write(out, text="new", **options):
    with staged_export(out, fresh=options.pop("fresh", False), **options) as stage:
        for name in NAMES:
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            (stage / name).write_text(text)


def contents(out):
    return {
        str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("in_store", [True, False])
def test_the_objects_appear_together(out, in_store):
    """The stage is in the store, or on this machine, and gone at the end."""
    write(out, in_store=in_store)
    assert contents(out) == dict.fromkeys(NAMES, "new")
    with pytest.raises(InputError, match="or --fresh to replace it"):
        write(out, in_store=in_store)
    write(out, "newer", in_store=in_store, fresh=True)
    assert contents(out) == dict.fromkeys(NAMES, "newer")


def fail_at(monkeypatch, out, method, name):
    """Let a file system refuse one object."""
    store = type(file_system(out))
    act = getattr(store, method)

    def refuse(self, first, second, **options):
        if name in second:
            raise PermissionError("access denied")
        return act(self, first, second, **options)

    monkeypatch.setattr(store, method, refuse)


def test_an_upload_that_fails_leaves_nothing(out, monkeypatch):
    with monkeypatch.context() as patch:
        fail_at(patch, out, "put_file", "manifest")
        with pytest.raises(InputError, match=r"^write memory://.*access denied; check the addre"):
            write(out)
    assert not contents(out)
    write(out)


def test_a_move_that_fails_is_repeated(out, monkeypatch):
    """Half of the objects are there, no list of checksums, and the next export replaces them."""
    with monkeypatch.context() as patch:
        fail_at(patch, out, "cp_file", "manifest")
        with pytest.raises(InputError, match=r"^write memory://.*access denied; check the addre"):
            write(out, in_store=True)
    assert "data/x" in contents(out)
    assert "checksums.sha256" not in contents(out)
    write(out, "newer", in_store=True)
    assert contents(out) == dict.fromkeys(NAMES, "newer")


def test_nothing_else_is_replaced(out):
    """Neither other objects, nor a build, which has its parts."""
    (out / "mine").write_text("x")
    for fresh in (False, True):
        with pytest.raises(InputError, match="something is there"):
            write(out, fresh=fresh)
    for name in ("ledger/part-00000.parquet", ".part-export-1/x"):
        (out / name).write_text("x")
    with pytest.raises(InputError, match="something is there"):
        write(out, fresh=True)
    assert "mine" in contents(out)


def test_an_address_of_a_file_system_that_is_no_store(tmp_path):
    """A folder of this machine is one; what cannot be opened or written is one line."""
    assert locate(f"file://{tmp_path}/out") == tmp_path / "out"
    write(locate(f"file://{tmp_path}/out"))
    assert contents(tmp_path / "out") == dict.fromkeys(NAMES, "new")
    with pytest.raises(InputError, match=r"^open zip://absent/x: "):
        locate("zip://absent/x")
    pytest.importorskip("aiohttp", reason="needs pip install 'mingolotss[dask]'")
    with pytest.raises(InputError, match=r"^write http://127\.0\.0\.1:9/x: .*; check the address"):
        write(locate("http://127.0.0.1:9/x"))
