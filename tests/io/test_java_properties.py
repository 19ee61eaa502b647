"""Files of properties as Java writes them, against the library that `hats` reads them with."""

from __future__ import annotations

import io

import pytest

from mingolotss.io.java_properties import parse_properties

TEXTS = [
    "#HATS catalog\nobs_collection=demo\nhats_nrows=40\n",
    "a = b c \n\n  b\t:\tc = d\r\nc d e\rd\ne=\n=f\n",
    "! no\n# no \\\nlong = one, \\\n    two\\\\\nnext=\\\n",
    "back\\ slash\\=name=x\\ty\\nz\\qw\ntitle=K\\u00f6ln K\u00f6ln \u2028 \\u2028\n",
    "all_indexes=object_id demo_object_id\nall_indexes=other\n",
    "",
    "\\",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_properties_are_those_of_jproperties(text):
    library = pytest.importorskip("jproperties").Properties()
    library.load(io.BytesIO(text.encode()), "utf-8")
    assert parse_properties(text) == library.properties
