"""Bodies: what is read as JSON, and what is refused before and after."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.body import DEPTH, parse
from api.problems import JsonMalformed, JsonTooDeep, TextForbidden

TRICKY = r'[]{}"\/u0000' + "\\\b\n测😀"
texts = st.text(TRICKY) | st.text(st.characters(codec="utf-8", exclude_characters="\0"))
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def nested(value: Any, lists: list[bool]) -> Any:
    """Wrap a value, in a list or an object each time."""
    for is_list in lists:
        value = [value] if is_list else {'"[{\\': value}
    return value


@given(values, st.booleans())
def test_json_is_read_as_it_was_written(value: Any, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse(body) == value


@given(values, st.lists(st.booleans(), max_size=40), st.booleans())
def test_what_is_too_deep_is_refused_and_nothing_else(
    value: Any, lists: list[bool], ascii_only: bool
) -> None:
    whole = nested(value, lists)
    body = json.dumps(whole, ensure_ascii=ascii_only).encode()
    if depth(whole) > DEPTH:
        with pytest.raises(JsonTooDeep):
            parse(body)
    else:
        assert parse(body) == whole


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_the_limit_itself_is_taken(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    assert depth(parse(opening * DEPTH + b"1" + closing * DEPTH)) == DEPTH
    with pytest.raises(JsonTooDeep):
        parse(opening * (DEPTH + 1) + b"1" + closing * (DEPTH + 1))


def test_brackets_side_by_side_are_not_deep() -> None:
    assert parse(b"[" + b",".join([b"[]"] * 5000) + b"]") == [[]] * 5000


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b"[" * 100 + b'"',
        b'{"a": "' + b"{[" * 100 + b'"}',
        b'{"' + b"[" * 100 + b'": 1}',
        b'["\\"' + b"[" * 100 + b'"]',
        b'["\\\\", "' + b"[" * 100 + b'"]',
        b'["\\\\\\"' + b"[" * 100 + b'"]',
    ],
)
def test_brackets_in_strings_are_text(body: bytes) -> None:
    assert parse(body) == json.loads(body)


@pytest.mark.parametrize(
    "body", [b'["\\\\"' + b", [" * 40, b"[" * 100_000, b'{"a":' * 100_000, b'["]]]]"' + b",[" * 40]
)
def test_depth_is_found_before_anything_is_parsed(body: bytes) -> None:
    with pytest.raises(JsonTooDeep):
        parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"]" * 50 + b"[" * 50,
        b'{"a": 1,}',
        b"{'a': 1}",
        b'{"a": 1} {}',
        b'{"a" 1}',
        b"NaN",
        b"[Infinity]",
        b"1e999",
        b"01",
        b'"\t"',
        b'"\0"',
        b'"unended',
        b'"\\x"',
        b"\xff\xfe{\0}\0",
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\ud83d": 1}',
        "é".encode("latin-1"),
        "{}".encode("utf-16"),
    ],
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(JsonMalformed):
        parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b'"\\u0000"',
        b'"a\\u0000b"',
        b'{"a": ["b", {"c": "\\u0000"}]}',
        b'{"a\\u0000": 1}',
        b'{"a": {"\\u0000": 1}}',
        b'"\\\\\\u0000"',
    ],
)
def test_no_text_holds_a_nul(body: bytes) -> None:
    with pytest.raises(TextForbidden):
        parse(body)


@pytest.mark.parametrize("body", [b'"\\\\u0000"', b'{"a": "\\\\u0000"}', b'"\\u0001"'])
def test_what_only_looks_like_a_nul_is_taken(body: bytes) -> None:
    assert parse(body) == json.loads(body)


def test_pairs_of_surrogates_are_one_character() -> None:
    assert parse(b'"\\ud83d\\ude00"') == "😀"


@given(st.binary(max_size=200) | st.text('[]{}",:\\u0d8n1e ').map(str.encode))
def test_junk_is_read_or_refused_and_nothing_else(junk: bytes) -> None:
    try:
        value = parse(junk)
    except (JsonMalformed, JsonTooDeep, TextForbidden):
        return
    assert orjson.loads(orjson.dumps(value)) == value
    assert b"\\u0000" not in orjson.dumps(value)
