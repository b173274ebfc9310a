"""What must hold after a run, whatever happened in it. Pure: a journal and the books in, violations out."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from applications.lifecycle import MOVES
from applications.queries import LEASE
from torture.books import Books, Entry
from torture.journal import Acted, Journal, Read

Found = Iterator[str]

TAKING = frozenset({"application.taken", "application.claimed"})
RECEIVED, ACCEPTED = "application.received", "application.accepted"
STEPS = frozenset((str(m.source), str(m.target)) for m in MOVES)
GIVEN_BACK = frozenset({"application.released", "application.passed"})
ENDING = frozenset(
    {
        "application.granted", "application.denied", "application.withdrawn", "application.voided",
        "application.delivered", "application.refused",
    }
)  # fmt: skip
SEALING = 16
"""Bytes that sealing adds at least: a smaller object is a part of one."""


class Hold(NamedTuple):
    """Who holds an application, and until when nobody else may."""

    by: str
    until: float


def kept_once(journal: Journal, books: Books) -> Found:
    """Every acknowledged application is there exactly once, under the number that every answer named."""
    rows = defaultdict(list)
    for row in books.rows:
        rows[row.submitter, row.key].append(row.number)
    for made in dict.fromkeys(journal.made):
        there = rows[made.terminal, made.key]
        if there != [made.number]:
            yield f"key {made.key}: acknowledged as {made.number}, expected once, found {there}"


def asked_for(journal: Journal, books: Books) -> Found:
    """Nothing is there that nobody handed in, and nothing twice."""
    for row in books.rows:
        if journal.tried.get(row.key) != row.submitter:
            yield f"{row.number}: nobody handed it in with key {row.key}"
    yield from _twice("key", ((row.submitter, row.key) for row in books.rows))


def numbers(journal: Journal, books: Books) -> Found:
    """A number belongs to one application, in the books and in the answers."""
    yield from _twice("number", (row.number for row in books.rows))
    keys = {(made.number, made.terminal, made.key) for made in journal.made}
    yield from _twice("acknowledged number", (number for number, _, _ in keys))


def _twice(what: str, values: Iterator[object]) -> Found:
    for value, times in Counter(values).items():
        if times > 1:
            yield f"{what} {value}: expected once, found {times} times"


def whole(_: Journal, books: Books) -> Found:
    """Every application has the whole of its history, and every event its application."""
    histories = _histories(books)
    known = {row.number: row for row in books.rows}
    for number in histories.keys() - known.keys():
        yield f"{number}: {len(histories[number])} events of an application that is not there"
    for number, row in known.items():
        history = histories.get(number, [])
        yield from _broken(number, history)
        last = (history[-1].state, history[-1].version) if history else None
        if last != (row.state, row.version):
            yield f"{number}: stands at {row.state}, {row.version}; its last event says {last}"


def _broken(number: str, history: Sequence[Entry]) -> Found:
    if not history or (history[0].kind, history[0].version) != (RECEIVED, 1):
        yield f"{number}: expected to begin with {RECEIVED}, found {history[:1]}"
    for before, after in pairwise(history):
        together = before.kind == RECEIVED and after.kind == ACCEPTED and after.version == 1
        if not together and after.version != before.version + 1:
            yield f"{number}: event {after.id} expected version {before.version + 1}: {after.version}"
        if after.state != before.state and (before.state, after.state) not in STEPS:
            yield f"{number}: event {after.id} goes from {before.state} to {after.state}"


def _histories(books: Books) -> dict[str, list[Entry]]:
    histories = defaultdict(list)
    for entry in books.entries:
        histories[entry.application].append(entry)
    return histories


def actions(journal: Journal, books: Books) -> Found:
    """Every acknowledged action has its one event, and what was said stands sealed beside it."""
    found = defaultdict(list)
    for entry in books.entries:
        found[entry.application, entry.version, entry.kind].append(entry)
    texts = set(books.texts)
    for acted in dict.fromkeys(journal.acted):
        there = found[acted.number, acted.version, acted.kind]
        if [(e.state, e.actor) for e in there] != [(acted.state, acted.actor)]:
            yield f"{acted.number}: acknowledged {acted}, expected one such event, found {there}"
        elif acted.worded and there[0].id not in texts:
            yield f"{acted.number}: event {there[0].id} has lost the words of {acted.kind}"
    for event in texts - {entry.id for entry in books.entries}:
        yield f"words of event {event}, which is not there"


def holders(journal: Journal, books: Books) -> Found:
    """Never two holders at once; no acknowledged claim lost before its lease ended."""
    claims = {(a.number, a.version): a for a in journal.acted if a.kind in TAKING}
    rows = {row.number: row for row in books.rows}
    for number, history in _histories(books).items():
        hold: Hold | None = None
        for entry in history:
            yield from _against(hold, entry)
            hold = _after(hold, entry)
            yield from _lost(claims.get((number, entry.version)), hold, entry)
        row = rows.get(number)
        if row is not None and row.claimed_by != (hold.by if hold else None):
            yield f"{number}: held by {row.claimed_by}; by its events {hold} holds it"


def _against(hold: Hold | None, entry: Entry) -> Found:
    if entry.kind in TAKING and hold and hold.by != entry.actor and entry.at < hold.until:
        yield f"{entry.application}: {entry.actor} takes it while {hold.by} holds it (event {entry.id})"


def _lost(claim: Acted | None, hold: Hold | None, entry: Entry) -> Found:
    if claim is not None and entry.kind in TAKING and (hold is None or hold.by != claim.actor):
        yield f"{entry.application}: the claim of {claim.actor} was acknowledged, {hold} has it"


def _after(hold: Hold | None, entry: Entry) -> Hold | None:
    """Follow who holds it."""
    if entry.kind in TAKING:
        return Hold(entry.actor, entry.at + LEASE.total_seconds())
    if entry.kind in GIVEN_BACK | ENDING:
        return None
    return hold


def order(_: Journal, books: Books) -> Found:
    """The feed tells every event once, without a gap, each application's in the order of its history."""
    seqs = [told.seq for told in books.told]
    if seqs != list(range(1, len(seqs) + 1)) or books.last_told != len(seqs):
        gap = next((n for n, seq in enumerate(seqs, 1) if n != seq), len(seqs) + 1)
        yield f"order: expected 1 to {books.last_told} without a gap, broken at {gap}"
    yield from _twice("told event", (told.event for told in books.told))
    known = {entry.id: entry for entry in books.entries}
    for event in known.keys() - {told.event for told in books.told}:
        yield f"event {event} of {known[event].application} was never told"
    last: dict[str, int] = {}
    for told in books.told:
        entry = known.get(told.event)
        if entry is None:
            yield f"told {told.seq}: event {told.event} is not there"
            continue
        if told.event < last.get(entry.application, 0):
            yield f"told {told.seq}: event {told.event} of {entry.application} came too late"
        last[entry.application] = told.event


def readers(journal: Journal, books: Books) -> Found:
    """Every reader saw every event within its reach, once, in the order."""
    for name, reader in journal.readers.items():
        expected = [t.event for t in books.told if reader.sees(t.outlet, t.agency)]
        if reader.events != expected:
            yield _difference(name, reader, expected)


def _difference(name: str, reader: Read, expected: list[int]) -> str:
    pairs = zip(reader.events, expected, strict=False)
    at = next(
        (n for n, (a, b) in enumerate(pairs) if a != b), min(len(reader.events), len(expected))
    )
    doubles = [event for event, times in Counter(reader.events).items() if times > 1]
    return (
        f"reader {name}: {len(reader.events)} events of {len(expected)}, differs at {at}: expected"
        f" {expected[at : at + 3]}, read {reader.events[at : at + 3]}, doubles {doubles[:5]},"
        f" missed {sorted(set(expected) - set(reader.events))[:5]}"
    )


def files(journal: Journal, books: Books) -> Found:
    """Every acknowledged file has its row, every row its object, every application its files."""
    known = {filed.id: filed for filed in books.files}
    for stored in journal.stored:
        if stored.file not in known:
            yield f"file {stored.file[:12]}: acknowledged, and not known"
    for filed in books.files:
        there = books.objects.get(filed.path)
        if there is None or there < filed.size + SEALING:
            yield f"file {filed.path}: expected {filed.size} bytes and more, the store has {there}"
    for row in books.rows:
        for lost in set(row.files) - known.keys():
            yield f"{row.number}: its file {lost[:12]} is not there"


def answers(journal: Journal, _: Books) -> Found:
    """No answer was other than a client must expect."""
    yield from journal.wrong


CHECKS: tuple[Callable[[Journal, Books], Found], ...] = (
    kept_once, asked_for, numbers, whole, actions, holders, order, readers, files, answers,
)  # fmt: skip


def reckon(journal: Journal, books: Books) -> list[str]:
    """List every violation, each with what was expected."""
    return [f"{check.__name__}: {found}" for check in CHECKS for found in check(journal, books)]
