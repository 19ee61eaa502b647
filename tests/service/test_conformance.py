"""Every shipped service passes the conformance suite; the remote ones against a small server."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mingolotss.service import SERVICES
from mingolotss.service.base import open_service
from mingolotss.service.survey_table import SURVEYS
from mingolotss.testing import Image, check_service
from named_surveys import named_surveys
from survey_images import LAYOUTS, SOURCE, as_dr2, as_mosaics, write_images
from survey_server import ID, product_name

BROWSER = {"lotss-dr1-form"}  # needs Chromium: make test-web


@dataclasses.dataclass(frozen=True)
class Remote:
    """How a remote service is opened on the small server, and what it promises there.

    Attributes
    ----------
    address : str
        ``{url}`` is the server, ``{ids}`` the identifiers of its images.
    field : str
        The one field that the service knows; "" for the fields of the images.
    layout : callable
        Writes the files that the server has under ``/files``.
    promises : dict
        Arguments of `check_service`.
    """

    address: str
    field: str = ""
    layout: Callable[[Path, Sequence[Image]], str] | None = None
    promises: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def service(self) -> str:
        """The registered name of the service."""
        return self.address.partition(":")[0]


CUTS_ONLY = {"searchable": False}
REMOTE = [
    Remote("lotss-dr1:{url}/siap"),
    Remote("lotss-dr1-form:{url}/form"),
    Remote("lotss-dr2:{url}/dr2-cutout.fits", field="DR2", promises=CUTS_ONLY),
    Remote("lotss-dr3:{url}/dr2-cutout.fits", field="DR3", promises=CUTS_ONLY),
    Remote("lotss-dr2-mosaics:{url}/files", layout=as_dr2),
    Remote("mosaics:{url}/files", layout=as_mosaics),
    Remote("mosaics:{url}/files", layout=as_dr2),
    Remote("ranges:{url}/files", layout=as_mosaics),
    Remote("ranges:{url}/files", layout=as_dr2),
    Remote("sia:{url}/siap"),
    Remote("sia:{url}/siap-whole", promises={"whole": True}),
    Remote("sia2:{url}/sia2"),
    Remote("sia2:{url}/sia2-whole", promises={"whole": True}),
    Remote("soda:{url}/soda?{ids}", promises=CUTS_ONLY),
    Remote(
        "hips:CDS/P/TEST@{url}/hips2fits", field="TEST",
        promises={**CUTS_ONLY, "resampled": True},
    ),
    Remote(
        "skyview:NVSS?pixel=1.5@{url}/runquery.pl", field="NVSS",
        promises={**CUTS_ONLY, "resampled": True},
    ),
    Remote("first:{url}/firstcutout", field="FIRST", promises=CUTS_ONLY),
    Remote(
        "legacy:g@{url}/fits-cutout", field="LegacySurveysg",
        promises={**CUTS_ONLY, "resampled": True},
    ),
    Remote("tgss:{url}/siap"),
    Remote("lolss:{url}/siap"),
    Remote("vlass:{url}/cadc"),
    *(
        Remote(
            f"{name}:?pixel=1.5@{{url}}/{path}", field=SURVEYS[name].band("").field,
            promises={**CUTS_ONLY, "resampled": True, "positions": 3},
        )
        for path, names in (
            ("runquery.pl", ("nvss", "sumss", "wenss", "vlssr", "gleam")),
            ("hips", ("racs", "panstarrs", "sdss", "unwise", "dss2")),
        )
        for name in names
    ),
]  # fmt: skip


def label(run: Remote) -> str:
    """Return a name for a run."""
    return (
        f"{run.address.format(url='', ids='')}{'' if run.layout is None else run.layout.__name__}"
    )


@pytest.fixture(autouse=True)
def own_service():
    """Forget the service of a user's own after each test: other tests look at all names."""
    yield
    SERVICES._known.pop("test-own", None)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_local_service_conforms(tmp_path, layout, dtype):
    """Fields by position, pixels, rms map and WCS are those of the files, by astropy."""
    images = write_images(tmp_path / "images", dtype)
    (tmp_path / "served").mkdir()
    service = open_service(LAYOUTS[layout](tmp_path / "served", images))
    check_service(
        service, images, np.random.default_rng(7), positions=24,
        whole=layout in ("folder", "a user's own"),
        named_for=SOURCE if layout == "folder" else "",
    )  # fmt: skip


@pytest.mark.parametrize(
    "remote",
    [
        pytest.param(
            one,
            id=label(one),
            marks=[pytest.mark.web] * (one.service in BROWSER)
            + [pytest.mark.slow] * one.address.startswith("legacy"),  # waits for answers of 500
        )
        for one in REMOTE
    ],
)
def test_a_remote_service_conforms(tmp_path, remote):
    """Search answers and cutouts over HTTP are those of the files behind the server."""
    images = write_images(tmp_path / "images")
    (tmp_path / "files").mkdir()
    if remote.layout is not None:
        remote.layout(tmp_path / "files", images)
    if remote.field:
        images = images[2:]
    ids = "&".join(
        f"ID={ID}{product_name(image, product)}"
        for image in images
        for product in ("mosaic", "mosaic-rms")
    )
    with named_surveys(images, tmp_path / "files") as server:
        address = remote.address.format(url=server.url, ids=ids)
        service = open_service(address, workspace=tmp_path / "build")
        if remote.field:
            images = [Image(remote.field, images[0].path)]
        if remote.service == "vlass":
            images = [Image(image.field, image.path) for image in images]
        promises = {"positions": 12, **remote.promises}
        check_service(service, images, np.random.default_rng(8), **promises)


def test_every_shipped_service_has_a_conformance_run():
    """The registry names no service of the package that is not in the lists above."""
    shipped = {
        name for name in SERVICES.names()
        if SERVICES.get(name).__module__.startswith("mingolotss.")
    }  # fmt: skip
    assert shipped == {run.service for run in REMOTE} | (set(LAYOUTS) & shipped)
