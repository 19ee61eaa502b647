"""Headers in any form: read as RFC 9110 says, or treated as absent; never another error."""

import contextlib
import random
import string

import pytest

from mingolotss.errors import ServiceAnswerError
from mingolotss.io.response_headers import (
    ContentRange,
    parse_content_length,
    parse_content_range,
    parse_date,
    parse_location,
    parse_retry_after,
)

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1000000000", 1e9),
        ("-1", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("soon", None),
        ("", None),
        ("²", None),  # `isdigit` is true, and `int` fails
        ("٣", None),  # a digit for `int`, but not for RFC 9110
        ("9" * 5000, None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 4102444800.0 - NOW),
        ("Thu, 01 Jan 0000 00:00:00 GMT", None),
        ("Mon, 99 Foo 2024 00:00:00 GMT", None),
        ("Thu, 31 Feb 2024 00:00:00 GMT", None),
        ("Sun Nov  6 08:49:37 1994", None),
    ],
)
def test_retry_after(value, seconds):
    assert parse_retry_after(value, now=NOW) == seconds


@pytest.mark.parametrize(
    ("value", "length"),
    [("0", 0), ("12", 12), ("-1", None), ("12, 12", None), ("1_000", None), ("0x10", None),
     ("²", None), ("9" * 20, None), ("9" * 5000, None), (None, None), ("", None)],
)  # fmt: skip
def test_content_length(value, length):
    assert parse_content_length(value) == length


@pytest.mark.parametrize(
    ("value", "content_range"),
    [
        ("bytes 0-99/1234", ContentRange(0, 99, 1234)),
        ("Bytes 5-5/*", ContentRange(5, 5, None)),
        ("bytes 99-0/1234", None),
        ("bytes 0-99/50", None),
        ("bytes */1234", None),
        ("bytes -5-9/10", None),
        ("bytes=0-99/1234", None),
        ("lines 0-99/1234", None),
        ("bytes 0-99/" + "9" * 30, None),
        ("bytes ²-²/³", None),
        ("bytes 0-99/1234\x1b[2J", None),
        (None, None),
    ],
)
def test_content_range(value, content_range):
    assert parse_content_range(value) == content_range


def test_location():
    assert parse_location("http://a.org/x/y", "../z") == "http://a.org/z"
    for bad in (None, "", "http://[::1", "//[/"):
        with pytest.raises(ServiceAnswerError):
            parse_location("http://a.org/", bad)


def test_no_text_makes_a_parser_fail():
    """Ten thousand mutations of valid values, with a fixed seed."""
    rng = random.Random(5)  # noqa: S311
    seeds = ["bytes 0-99/1234", "Thu, 01 Jan 1970 00:01:00 GMT", "120", "http://a.org/x"]
    letters = string.printable + "²٣\x00\x1b\u202e\ud800é"
    for _ in range(10_000):
        text = list(rng.choice(seeds))
        for _ in range(rng.randrange(1, 5)):
            place = rng.randrange(len(text) + 1)
            text[place : place + rng.randrange(2)] = rng.choices(letters, k=rng.randrange(4))
        value = "".join(text)
        for parse in (parse_content_length, parse_content_range, parse_date):
            parse(value)
        pause = parse_retry_after(value, now=NOW)
        assert pause is None or pause >= 0
        with contextlib.suppress(ServiceAnswerError):
            parse_location("http://a.org/", value)
