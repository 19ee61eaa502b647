"""Datasets that several modules open."""

from __future__ import annotations

import pytest

from readers_build import make_build
from readers_data import IMAGES, LABELS, write_batches


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Give 60 images in six batches."""
    return write_batches(tmp_path_factory.mktemp("root"), IMAGES, LABELS)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Give a build in every format."""
    return make_build(tmp_path_factory.mktemp("build"))
