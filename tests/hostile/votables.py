"""Hostile VOTables: each a function of the address that it wants to have read."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable

__all__ = ["BOMBS", "REFERENCES", "table"]

FIELDS = (
    '<FIELD name="Source_Name" datatype="char" arraysize="*"/><FIELD name="RA" datatype="double"/>'
    '<FIELD name="DEC" datatype="double"/>'
)
ROW = "<TR><TD>A</TD><TD>10</TD><TD>20</TD></TR>"
PADDING = 21 << 20  # bytes, more than any answer of a service may have


def table(
    data: str = f"<TABLEDATA>{ROW}</TABLEDATA>",
    *,
    fields: str = FIELDS,
    prolog: str = "",
    before: str = "",
    attributes: str = "",
    encoding: str = "",
) -> str:
    """Return a VOTable of results with one table."""
    declared = f' encoding="{encoding}"' if encoding else ""
    return (
        f'<?xml version="1.0"{declared}?>{prolog}<VOTABLE version="1.3" '
        f'xmlns="http://www.ivoa.net/xml/VOTable/v1.3" xmlns:xi="http://www.w3.org/2001/XInclude">'
        f'{before}<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/>'
        f"<TABLE {attributes}>{fields}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>"
    )


def stream(address: str, kind: str = "BINARY", attributes: str = "") -> str:
    """Return data whose rows are at an address."""
    return f'<{kind}><STREAM href="{address}" {attributes}/></{kind}>'


def _doctype(inner: str) -> str:
    return f"<!DOCTYPE VOTABLE [{inner}]>"


def _cell(name: str) -> str:
    return f"<TABLEDATA>{ROW.replace('<TD>A', f'<TD>{name}')}</TABLEDATA>"


REFERENCES: dict[str, Callable[[str], bytes]] = {
    "binary stream": lambda a: table(stream(a)).encode(),
    "binary2 stream": lambda a: table(stream(a, "BINARY2")).encode(),
    "gzip stream": lambda a: table(stream(a, "BINARY", 'encoding="gzip"')).encode(),
    "FITS stream": lambda a: table(stream(a, "FITS")).encode(),
    "Parquet stream": lambda a: table(
        f'<PARQUET type="VOTable-remote-file"><STREAM href="{a}"/></PARQUET>'
    ).encode(),
    "Parquet partition": lambda a: table(
        f'<PARQUET type="VOTable-remote-partition"><STREAM href="{a}"/></PARQUET>'
    ).encode(),
    "stream with a prefix": lambda a: table(stream(a))
    .replace("<STREAM", '<v:STREAM xmlns:v="http://www.ivoa.net/xml/VOTable/v1.3"')
    .encode(),
    "address in references to characters": lambda a: table(
        stream("".join(f"&#{ord(c)};" for c in a))
    ).encode(),
    "stream after padding": lambda a: table(
        stream(a), before=f"<!--{' ' * PADDING}-->"
    ).encode(),
    "stream after data in CDATA": lambda a: table(
        stream(a), before=f"<DESCRIPTION><![CDATA[{']]' * 9000}>]]></DESCRIPTION>"
    ).encode(),
    "stream in the second table": lambda a: table()
    .replace("</VOTABLE>", f"<RESOURCE><TABLE>{FIELDS}<DATA>{stream(a)}</DATA></TABLE></RESOURCE>")
    .__add__("</VOTABLE>")
    .encode(),
    "stream in UTF-16": lambda a: table(stream(a), encoding="utf-16").encode("utf-16"),
    "stream in UTF-16 without a mark": lambda a: table(stream(a)).encode("utf-16-le"),
    "stream in another encoding": lambda a: table(stream(a), encoding="cp037").encode("cp037"),
    "external entity": lambda a: table(
        _cell("&e;"), prolog=_doctype(f'<!ENTITY e SYSTEM "{a}">')
    ).encode(),
    "external entity in UTF-16": lambda a: table(
        _cell("&e;"), prolog=_doctype(f'<!ENTITY e SYSTEM "{a}">'), encoding="utf-16"
    ).encode("utf-16"),
    "external entity with a public name": lambda a: table(
        _cell("&e;"), prolog=_doctype(f'<!ENTITY e PUBLIC "-//x" "{a}">')
    ).encode(),
    "external entity after padding": lambda a: table(
        _cell("&e;"), prolog=f"<!--{' ' * PADDING}-->" + _doctype(f'<!ENTITY e SYSTEM "{a}">')
    ).encode(),
    "parameter entity": lambda a: table(
        prolog=_doctype(f'<!ENTITY % p SYSTEM "{a}"> %p;')
    ).encode(),
    "entity of the external DTD": lambda a: table(
        _cell("&e;"), prolog=f'<!DOCTYPE VOTABLE SYSTEM "{a}">'
    ).encode(),
    "entity that is not parsed": lambda a: table(
        prolog=_doctype(f'<!NOTATION n SYSTEM "{a}"><!ENTITY e SYSTEM "{a}" NDATA n>')
    ).encode(),
    "XInclude": lambda a: table(before=f'<xi:include href="{a}" parse="text"/>').encode(),
    "gzip in gzip": lambda a: gzip.compress(gzip.compress(table(stream(a)).encode())),
}  # fmt: skip

_SCHEMA = (
    '<VOTABLE xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://www.ivoa.net/xml/VOTable/v1.3 {}" '
)
HARMLESS: dict[str, Callable[[str], bytes]] = {
    "external DTD": lambda a: table(prolog=f'<!DOCTYPE VOTABLE SYSTEM "{a}">').encode(),
    "style sheet": lambda a: table(
        prolog=f'<?xml-stylesheet type="text/xsl" href="{a}"?>'
    ).encode(),
    "text": lambda a: table(before=f'<INFO name="x" value="{a}">{a}</INFO>').encode(),
    "a stream in a comment": lambda a: table(before=f"<!--{stream(a)}-->").encode(),
    "a stream in CDATA": lambda a: table(
        before=f"<DESCRIPTION><![CDATA[{stream(a)}]]></DESCRIPTION>"
    ).encode(),
    "schema": lambda a: table().replace("<VOTABLE ", _SCHEMA.format(a)).encode(),
}


def _laughs(depth: int) -> str:
    lines = ['<!ENTITY e0 "ha">']
    lines += [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, depth)]
    return table(_cell(f"&e{depth - 1};"), prolog=_doctype("".join(lines)))


def _nested(depth: int, tag: str) -> str:
    return table(before=f"<{tag}>" * depth + f"</{tag}>" * depth)


def _packed(count: int) -> str:
    members = gzip.compress(bytes(16 << 20)) * (count >> 24)
    content = base64.b64encode(members).decode()
    return table(f'<BINARY><STREAM encoding="gzip">{content}</STREAM></BINARY>')


def _wide(size: str, datatype: str = "double") -> str:
    fields = f'{FIELDS}<FIELD name="x" datatype="{datatype}" arraysize="{size}"/>'
    row = ROW.replace("</TR>", "<TD>1</TD></TR>")
    return table(f"<TABLEDATA>{row}</TABLEDATA>", fields=fields)


BOMBS: dict[str, Callable[[], bytes]] = {
    "billion laughs": lambda: _laughs(10).encode(),
    "quadratic entity": lambda: table(
        _cell("&e;" * 20000), prolog=_doctype(f'<!ENTITY e "{"ha" * 20000}">')
    ).encode(),
    "nested resources": lambda: _nested(100_000, "RESOURCE").encode(),
    "nested groups": lambda: _nested(100_000, "GROUP").encode(),
    "nested options": lambda: _nested(100_000, "OPTION").encode(),
    "nested unknown elements": lambda: _nested(100_000, "x").encode(),
    "10^9 rows": lambda: table(attributes='nrows="1000000000"').encode(),
    "10^11 rows": lambda: table(attributes='nrows="100000000000"').encode(),
    "10^30 rows": lambda: table(attributes=f'nrows="1{"0" * 30}"').encode(),
    "10^9 rows of a stream": lambda: table(
        "<BINARY><STREAM encoding='base64'>AAAA</STREAM></BINARY>", attributes='nrows="1000000000"'
    ).encode(),
    "10^9 numbers in a cell": lambda: _wide("1000000000").encode(),
    "10^11 numbers in a cell": lambda: _wide("100000x1000000").encode(),
    "10^9 letters in a cell": lambda: _wide("1000000000", "char").encode(),
    "10^9 letters in a cell of a parameter": lambda: table(
        before='<PARAM name="x" datatype="double" arraysize="1000000000" value="1"/>'
    ).encode(),
    "a gzip stream of 2 GB": lambda: _packed(2 << 30).encode(),
    "a stream that announces 4 GB": lambda: table(
        f"<BINARY><STREAM encoding='base64'>{'/' * 10}8=</STREAM></BINARY>"
    ).encode(),
}
