"""YAML for files that people keep: read strictly, with the line of everything, and written in one way only.

Read is a part of YAML that can hold no surprise: no anchors, aliases, tags or second documents, keys
are texts and stand once, and `no` or `12:30` are texts. Written is what any YAML tool reads alike.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import yaml

Path: TypeAlias = tuple[str | int, ...]
"""Keys and numbers that lead to a value."""

Places: TypeAlias = dict[Path, int]
"""The line, from 1, on which each key or item begins."""

DEPTH = 40
NODES = 100_000
"""More than any file of ours holds: a small file may still say much."""

WIDTH = 100
"""Columns of a line; a Chinese character takes two."""

NARROW = 24
"""Columns of an item that may stand with others on a line."""

INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
WORDS: Mapping[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}

TAKEN = re.compile("y|n|yes|no|on|off|true|false|null|inf|nan", re.IGNORECASE)
"""Words that some tool takes for something else than a text."""

SAFE = re.compile(
    r"[A-Za-z_$\u3001-\u303f\u3400-\u9fff\uff08\u201c\U00020000-\U0003ffff]"
    r"([^\s:#,?\[\]{}\"'\\&*!|>%@`\x00-\x1f\x7f-\xa0\ufeff\ud800-\udfff]| (?=[^\s#]))*"
)
"""Texts that need no quotes, also within brackets."""

ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
ENDS = "。；，、：！？）》”,; "
"""After these a long text is broken with pleasure."""


class YamlFault(Exception):
    """The text can't be read; `words` say why, and quote nothing but names."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(f"line {line}: {words}")
        self.line = line
        self.words = words


def read(data: bytes) -> tuple[Any, Places]:
    """Read one document, and the lines of all that is in it.

    Raises:
        YamlFault: it is no YAML, or more of it than files of ours may use.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlFault(data.count(b"\n", 0, error.start) + 1, "this is not UTF-8") from None
    try:
        return _Reader(text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlFault(mark.line + 1 if mark else 1, str(error.problem)) from None
    except yaml.YAMLError:
        raise YamlFault(1, "there is a character that YAML does not allow") from None


class _Reader:
    """Builds values from the parser's events, which come one by one: what is too much ends at once."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=yaml.CSafeLoader))
        self._places: Places = {}
        self._nodes = 0

    def document(self) -> tuple[Any, Places]:
        next(self._events)  # The stream's start.
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            raise YamlFault(1, "the file is empty")
        value = self._value(next(self._events), ())
        next(self._events)  # The document's end.
        second = next(self._events)
        if not isinstance(second, yaml.StreamEndEvent):
            raise YamlFault(_line(second), "a second document begins here; one file holds one")
        return value, self._places

    def _value(self, event: Any, at: Path) -> Any:
        self._refuse(event, at)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(at)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(at)
        return _scalar(event)

    def _refuse(self, event: Any, at: Path) -> None:
        self._nodes += 1
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise YamlFault(_line(event), "anchors and aliases (& and *) are not allowed")
        if event.tag is not None:
            raise YamlFault(_line(event), "tags (!) are not allowed")
        if len(at) > DEPTH or self._nodes > NODES:
            raise YamlFault(_line(event), "this is nested too deeply, or too much")

    def _mapping(self, at: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            self._refuse(event, at)
            if not isinstance(event, yaml.ScalarEvent):
                raise YamlFault(_line(event), "a name must stand here")
            name = event.value
            if name in found:
                first = self._places[*at, name]
                raise YamlFault(
                    _line(event), f"`{name[:60]}` stands here again (first: line {first})"
                )
            self._places[*at, name] = _line(event)
            found[name] = self._value(next(self._events), (*at, name))
        return found

    def _sequence(self, at: Path) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            self._places[*at, len(found)] = _line(event)
            found.append(self._value(event, (*at, len(found))))
        return found


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.style:  # Quoted, or a block: a text.
        return text
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    return float(text) if NUMBER.fullmatch(text) and len(text) < NARROW else text


class Notes(NamedTuple):
    """What a writer adds for the reader."""

    above: Mapping[Path, str] = {}
    """A comment, with a blank line before it."""
    beside: Mapping[Path, str] = {}
    """A comment at the end of the line."""


def write(value: Mapping[str, Any], notes: Notes | None = None) -> str:
    """Write a document: the same value always gives the same text."""
    return "\n".join(_mapping_lines(value, (), notes or Notes())) + "\n"


def _mapping_lines(value: Mapping[str, Any], at: Path, notes: Notes) -> Iterator[str]:
    indent = "  " * _depth(at)
    for name, item in value.items():
        here = (*at, name)
        if here in notes.above:
            yield from ("", f"{indent}# {notes.above[here]}")
        yield from _entry(f"{indent}{_quoted_if_needed(name)}:", item, here, notes)


def _depth(at: Path) -> int:
    """An item of a list stands two deeper than the list: its dash takes two columns."""
    return len(at)


def _entry(head: str, item: Any, at: Path, notes: Notes) -> Iterator[str]:
    beside = f"  # {notes.beside[at]}" if at in notes.beside else ""
    if isinstance(item, Mapping) and item:
        yield head + beside
        yield from _mapping_lines(item, at, notes)
    elif isinstance(item, list) and item and (line := _bracketed(item, len(head))) is None:
        yield head + beside
        yield from _list_lines(item, at, notes)
    elif isinstance(item, list) and item:
        yield f"{head} {line}{beside}"
    else:
        lines = _scalar_lines(item, _width(head) + 1, "  " * len(at))
        yield f"{head} {lines[0]}{beside}"
        yield from lines[1:]


def _bracketed(items: list[Any], column: int) -> str | None:
    """Write a list of a few short values on one line, if it is one."""
    if any(isinstance(item, Mapping | list) for item in items):
        return None
    texts = [_plain_scalar(item) for item in items]
    line = f"[{', '.join(texts)}]"
    if any(_width(text) > NARROW for text in texts) or column + _width(line) >= WIDTH:
        return None
    return line


def _list_lines(items: list[Any], at: Path, notes: Notes) -> Iterator[str]:
    indent = "  " * _depth(at)
    for number, item in enumerate(items):
        here = (*at, number)
        if isinstance(item, Mapping) and item:
            lines = _mapping_lines(item, here, notes)
            yield f"{indent}- {next(lines).lstrip()}"
            yield from lines
        else:
            yield from _entry(f"{indent}-", item, here, notes)


def _plain_scalar(item: Any) -> str:
    if isinstance(item, str):
        return _quoted_if_needed(item)
    return json.dumps(item, allow_nan=False)  # Also {} and [].


def _scalar_lines(item: Any, column: int, indent: str) -> list[str]:
    text = _plain_scalar(item)
    if column + _width(text) <= WIDTH:
        return [text]
    return _folded(item, column, indent) if isinstance(item, str) else [text]


def _quoted_if_needed(text: str) -> str:
    if SAFE.fullmatch(text) and not TAKEN.fullmatch(text):
        return text
    if ("\\" in text or '"' in text) and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in ESCAPES:
        return ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"


def _folded(text: str, column: int, indent: str) -> list[str]:
    """Break a long text into lines that join without a blank: Chinese has none between words."""
    lines, line, width = [], '"', column + 1
    for character in text:
        piece = _escaped(character)
        full = width + _width(piece) > WIDTH - (2 if character in ENDS else 5)
        if full or (width > WIDTH - NARROW and line[-1] in ENDS):
            lines.append(f"{line}\\")
            line, width = indent, len(indent)
            piece = "\\ " if character == " " else piece  # Blanks at a line's start are dropped.
        line, width = line + piece, width + _width(piece)
    return [*lines, f'{line}"']


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WFA" else 1 for c in text)
