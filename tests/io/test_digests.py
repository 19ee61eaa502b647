"""Checksums of several byte strings equal those of hashlib, with and without the kernel."""

from __future__ import annotations

import hashlib
import os
import sys

import pytest

from compilers import needs_kernel
from mingolotss.image import compiled_hashing
from mingolotss.io.digests import sha256_all

# Around the ends of blocks of 64 bytes, where the padding takes one block more.
LENGTHS = (0, 1, 3, 55, 56, 57, 63, 64, 65, 118, 119, 120, 121, 127, 128, 129, 1000, 4096, 70_001)


def expected(contents):
    """Return the digests that hashlib computes one after another."""
    return [hashlib.sha256(raw).hexdigest() for raw in contents]


@pytest.mark.parametrize("length", LENGTHS)
def test_two_of_any_lengths_equal_those_of_hashlib(length):
    """Each length beside each other one, either way round, at any place in memory."""
    raw = memoryview(os.urandom(max(LENGTHS) + 64))
    for other in LENGTHS:
        pair = [raw[1 : 1 + length], raw[7 : 7 + other]]
        assert sha256_all(pair) == expected(pair)
        assert sha256_all(pair[::-1]) == expected(pair[::-1])


@pytest.mark.parametrize("count", range(6))
def test_any_number_of_contents_is_hashed_in_order(count):
    """An odd one at the end, and one that is empty, have their place."""
    contents = [os.urandom(100 * index) for index in range(count)]
    assert sha256_all(contents) == expected(contents)


def test_without_the_kernel_hashlib_computes_each(monkeypatch):
    """Where nothing is compiled, the digests are the same."""
    monkeypatch.setattr(compiled_hashing, "load_library", lambda: None)
    assert compiled_hashing.sha256_pair(b"a", b"b") is None
    assert sha256_all([b"a", b"b"]) == expected([b"a", b"b"])


@needs_kernel
@pytest.mark.skipif(sys.platform != "linux", reason="the processor is looked up in /proc")
def test_the_kernel_computes_two_where_the_processor_can():
    """On an x86 processor with SHA extensions, hashlib is not asked."""
    with open("/proc/cpuinfo") as stream:  # noqa: PTH123
        has_sha = "sha_ni" in stream.read()
    assert (compiled_hashing.sha256_pair(b"a", b"b") is not None) is has_sha
