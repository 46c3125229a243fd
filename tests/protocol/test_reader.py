"""Faults in texts, each with the words and the place that the original parser gives."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.errors import BadMessage
from caesura.protocol.reader import PREFIX, TextReader, unexpected

NAMES = ("Stop", "Go")

# Faults of JSON itself, inside the value of a field, with the column of each; `{"a":` has 5 characters.
BROKEN_VALUES = [
    ("", "EOF while parsing a value", 5),
    ("  ", "EOF while parsing a value", 7),
    ("x", "expected value", 6),
    ("}", "expected value", 6),
    ("nul}", "expected ident", 9),
    ("tru", "EOF while parsing a value", 8),
    ("NaN}", "expected value", 6),
    ("-}", "invalid number", 7),
    ("-", "EOF while parsing a value", 6),
    ("01}", "invalid number", 7),
    ("1.}", "invalid number", 8),
    ("1.", "EOF while parsing a value", 7),
    ("1e}", "invalid number", 8),
    ("1e+}", "invalid number", 9),
    ("1.5E-", "EOF while parsing a value", 10),
    ("1.2.3}", "expected `,` or `}`", 9),
    ('"abc', "EOF while parsing a string", 9),
    ('"abc\\', "EOF while parsing a string", 10),
    ('"a\\x"', "invalid escape", 9),
    ('"a\\u12g4"', "invalid escape", 9),
    ('"a\tb"', "control character (\\u0000-\\u001F) found while parsing a string", 8),
    ('"\\ud800"', "lone leading surrogate in hex escape", 13),
    ("[", "EOF while parsing a list", 6),
    ("[1", "EOF while parsing a list", 7),
    ("[1 2]", "expected `,` or `]`", 9),
    ("[1,", "EOF while parsing a value", 8),
    ("[1,]", "trailing comma", 9),
    ("[,]", "expected value", 7),
    ("{", "EOF while parsing an object", 6),
    ("{1:2}", "key must be a string", 7),
    ('{"b"}', "expected `:`", 10),
    ('{"b"', "EOF while parsing an object", 9),
    ('{"b":1,}', "trailing comma", 13),
    ('{"b":1 "c":2}', "expected `,` or `}`", 13),
]


def fault_of(text: str) -> str:
    """What a reader that wants every field of `text` says about it."""
    reader = TextReader(text)
    with pytest.raises(BadMessage) as caught:
        fields(reader)
    return str(caught.value).removeprefix(PREFIX)


def fields(reader: TextReader) -> dict[str, str]:
    read = {key: reader.value() for key in reader.tagged_object()}
    reader.finish()
    return read


@pytest.mark.parametrize(("value", "sentence", "column"), BROKEN_VALUES)
def test_a_broken_value_is_told_with_its_place(value: str, sentence: str, column: int) -> None:
    assert fault_of('{"a":' + value) == f"{sentence} at line 1 column {column}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "EOF while parsing a value at line 1 column 0"),
        (" \n ", "EOF while parsing a value at line 2 column 1"),
        ("hello", "expected value at line 1 column 1"),
        ("[object Blob]", "expected value at line 1 column 2"),
        ('{"a":1} x', "trailing characters at line 1 column 9"),
        ('{"a":1}\n\n}', "trailing characters at line 3 column 1"),
        ("[1]", "invalid type: sequence, expected an object with a `type` at line 1 column 3"),
        ("null", "invalid type: null, expected an object with a `type` at line 1 column 4"),
        ("17", "invalid type: integer `17`, expected an object with a `type` at line 1 column 2"),
        ('"a"', 'invalid type: string "a", expected an object with a `type` at line 1 column 3'),
    ],
)
def test_a_text_that_is_no_object_is_told_with_its_place(text: str, fault: str) -> None:
    assert fault_of(text) == fault


def test_columns_count_utf8_bytes() -> None:
    assert fault_of('{"é€😀":x}') == "expected value at line 1 column 14"


def test_a_lone_surrogate_does_not_stop_the_count() -> None:
    assert fault_of("{\ud800") == "key must be a string at line 1 column 4"


def test_lists_may_nest_127_deep_inside_an_object_less_one_for_it() -> None:
    assert fields(TextReader('{"a":' + "[" * 126 + "]" * 126 + "}"))
    assert fault_of('{"a":' + "[" * 127) == "recursion limit exceeded at line 1 column 132"
    assert fault_of("[" * 100_000) == "recursion limit exceeded at line 1 column 128"


def test_fields_come_as_they_were_written() -> None:
    text = ' { "a" : [1, {"b": [ ]}] , "c":"x\\n\\u00e9\\ud83d\\ude00", "d":-0.5e+3,\r\n\t"e":true, "f":{}, "g":null } '
    assert fields(TextReader(text)) == {
        "a": '[1, {"b": [ ]}]',
        "c": '"x\\n\\u00e9\\ud83d\\ude00"',
        "d": "-0.5e+3",
        "e": "true",
        "f": "{}",
        "g": "null",
    }
    assert fields(TextReader("{}")) == {}


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ('"Wait"', "unknown variant `Wait`, expected one of `Stop`, `Go` at line 1 column 11"),
        ("12", "invalid type: integer `12`, expected variant identifier at line 1 column 7"),
        ("[", "invalid type: sequence, expected variant identifier at line 1 column 5"),
        ("{", "invalid type: map, expected variant identifier at line 1 column 5"),
        ("x", "expected value at line 1 column 6"),
    ],
)
def test_a_variant_must_be_one_of_the_known_names(written: str, fault: str) -> None:
    reader = TextReader('{"t":' + written)
    next(reader.tagged_object())
    with pytest.raises(BadMessage) as caught:
        reader.variant(NAMES)
    assert str(caught.value) == PREFIX + fault


def test_a_known_variant_may_be_written_with_escapes() -> None:
    reader = TextReader('{"t": "\\u0053top"}')
    next(reader.tagged_object())
    assert reader.variant(NAMES) == "Stop"


def test_a_long_variant_is_shortened_and_what_utf8_cannot_carry_is_replaced() -> None:
    reader = TextReader('{"t":"' + "x" * 1000 + '"}')
    next(reader.tagged_object())
    with pytest.raises(BadMessage) as caught:
        reader.variant(NAMES)
    assert "`" + "x" * 200 + "...`" in str(caught.value)
    assert unexpected('"a\udfffb"') == 'string "a?b"'


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ('"a"', 'string "a"'),
        ("true", "boolean `true`"),
        ("false", "boolean `false`"),
        ("null", "null"),
        ("[", "sequence"),
        ("{}", "map"),
        ("-1", "integer `-1`"),
        ("1.5", "floating point `1.5`"),
        ("1E5", "floating point `1E5`"),
    ],
)
def test_unexpected_values_are_named_by_their_kind(raw: str, name: str) -> None:
    assert unexpected(raw) == name


def without_surrogates(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text().filter(without_surrogates),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text().filter(without_surrogates), inner),
    max_leaves=12,
)


@given(
    st.dictionaries(st.text().filter(without_surrogates), JSON_VALUES, max_size=4),
    st.booleans(),
    st.sampled_from([None, 0, 3]),
)
def test_whatever_json_writes_is_read(value: dict[str, object], ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert {key: json.loads(raw) for key, raw in fields(TextReader(text)).items()} == value


@given(st.text(alphabet='{}[]",:\\ue1.-+ ntrufalse0\n\x00é\ud800') | st.text())
def test_what_is_accepted_is_json_and_what_is_not_is_told(text: str) -> None:
    try:
        fields(TextReader(text))
    except BadMessage as error:
        fault = str(error)
    else:
        assert isinstance(json.loads(text), dict)
        return
    assert fault.startswith(PREFIX)
    assert " at line " in fault
