"""The reckoning of `torture` finds what it is there to find: a sound run is changed in one place each."""

from collections.abc import Callable

import pytest

from torture.books import Books, Entry, Filed, Row, Told
from torture.faults import KINDS, plan
from torture.journal import Acted, Journal, Made, Read, Stored
from torture.reckoning import CHECKS, reckon

OUTLET, AGENCY, OTHER = "330106900000", "330106", "330106900001"
ANN, BOB = "person:ann", "person:bob"
TAKEN, RELEASED = "application.taken", "application.released"
Change = Callable[[Journal, Books], object]


def sound() -> tuple[Journal, Books]:
    """One application taken, given back, taken by another and decided; one just handed in, with a file."""
    first = [
        Entry(1, 10.0, "application.received", "N1", 1, "received", "teller:t", OUTLET, AGENCY),
        Entry(2, 10.0, "application.accepted", "N1", 1, "accepted", "teller:t", OUTLET, AGENCY),
        Entry(4, 11.0, TAKEN, "N1", 2, "in_review", ANN, OUTLET, AGENCY),
        Entry(5, 12.0, RELEASED, "N1", 3, "in_review", ANN, OUTLET, AGENCY),
        Entry(6, 13.0, TAKEN, "N1", 4, "in_review", BOB, OUTLET, AGENCY),
        Entry(7, 14.0, "application.granted", "N1", 5, "completed", BOB, OUTLET, AGENCY),
    ]
    second = Entry(3, 10.5, "application.received", "N2", 1, "received", "teller:u", OTHER, AGENCY)
    entries = sorted([*first, second])
    books = Books(
        rows=[
            Row("N1", "T1", "K1", "completed", 5, None),
            Row("N2", "T2", "K2", "received", 1, None, ["F1"]),
        ],
        entries=entries,
        told=[Told(n, e.id, e.outlet, e.agency) for n, e in enumerate(entries, 1)],
        last_told=7,
        texts=[7],
        files=[Filed("F1", "path", 100)],
        objects={"path": 180, "orphan": 3},
    )
    journal = Journal(
        tried={"K1": "T1", "K2": "T2", "K3": "T1"},
        made=[Made("T1", "K1", "N1"), Made("T1", "K1", "N1"), Made("T2", "K2", "N2", "F1")],
        acted=[
            Acted("N1", 2, "in_review", TAKEN, ANN),
            Acted("N1", 4, "in_review", TAKEN, BOB),
            Acted("N1", 5, "completed", "application.granted", BOB, worded=True),
        ],
        stored=[Stored("F1", "00", 100, "Bearer x")],
        readers={
            "all": Read("agency", "33", [1, 2, 3, 4, 5, 6, 7]),
            "one": Read("outlet", OTHER, [3]),
        },
    )
    return journal, books


def changed(books: Books, id_: int, **values: object) -> None:
    """Change an event."""
    books.entries[:] = [
        e._replace(**values) if e.id == id_ else e  # type: ignore[arg-type]
        for e in books.entries
    ]


def row(books: Books, nth: int, **values: object) -> None:
    """Change an application's row."""
    books.rows[nth] = books.rows[nth]._replace(**values)  # type: ignore[arg-type]


def half_submission(_: Journal, books: Books) -> None:
    """Accepted at once, with the first of its two events only."""
    row(books, 1, state="accepted")


def untell(_: Journal, books: Books) -> None:
    """The last event has no place in the order."""
    del books.told[-1]
    books.last_told -= 1


def swap(_: Journal, books: Books) -> None:
    """Two events of one application are told in the wrong order."""
    a, b = books.told[3], books.told[4]
    books.told[3], books.told[4] = b._replace(seq=a.seq), a._replace(seq=b.seq)


def two_holders(journal: Journal, books: Books) -> None:
    """Bob takes what Ann has not given back, one version earlier than he did."""
    books.entries[:] = [e for e in books.entries if e.id != 5]
    changed(books, 6, version=3)


BROKEN: dict[str, tuple[str, Change]] = {
    "an acknowledged application is gone": ("kept_once", lambda j, b: b.rows.pop(1)),
    "it was acknowledged before a commit that failed": (
        "kept_once", lambda j, b: j.made.append(Made("T1", "K3", "N3")),
    ),
    "it is there under another number": ("kept_once", lambda j, b: row(b, 0, number="N9")),
    "a repeat made a second": (
        "kept_once", lambda j, b: b.rows.append(b.rows[0]._replace(number="N9")),
    ),
    "a repeat was answered with another number": (
        "kept_once", lambda j, b: j.made.append(Made("T1", "K1", "N2")),
    ),
    "nobody handed it in": ("asked_for", lambda j, b: j.tried.pop("K2")),
    "another terminal handed it in": ("asked_for", lambda j, b: j.tried.update(K2="T1")),
    "a number twice": ("numbers", lambda j, b: row(b, 1, number="N1")),
    "two keys were given one number": (
        "numbers", lambda j, b: j.made.append(Made("T2", "K2", "N1")),
    ),
    "an application without events": (
        "whole", lambda j, b: b.rows.append(Row("N3", "T1", "K3", "received", 1, None)),
    ),
    "events without an application": ("whole", lambda j, b: b.rows.pop(0)),
    "half of a submission": ("whole", half_submission),
    "a first event is gone": ("whole", lambda j, b: b.entries.pop(0)),
    "an event in the middle is gone": ("whole", lambda j, b: b.entries.pop(4)),
    "an event twice": (
        "whole", lambda j, b: b.entries.append(b.entries[-1]._replace(id=8)),
    ),
    "a last event is gone": ("whole", lambda j, b: b.entries.pop()),
    "a step that there is not": ("whole", lambda j, b: changed(b, 4, state="completed")),
    "a row that is behind its events": ("whole", lambda j, b: row(b, 0, version=4)),
    "an acknowledged action is gone": (
        "actions",
        lambda j, b: j.acted.append(Acted("N2", 2, "accepted", "application.accepted", ANN)),
    ),
    "an action stands as another's": ("actions", lambda j, b: changed(b, 7, actor=ANN)),
    "words are lost": ("actions", lambda j, b: b.texts.clear()),
    "words without an event": ("actions", lambda j, b: b.texts.append(99)),
    "two holders at once": ("holders", two_holders),
    "a claim on a row that was given back": ("holders", lambda j, b: row(b, 0, claimed_by=ANN)),
    "a claim was acknowledged to two": (
        "holders", lambda j, b: j.acted.append(Acted("N1", 4, "in_review", TAKEN, ANN)),
    ),
    "an event was never told": ("order", untell),
    "an event told twice": ("order", lambda j, b: b.told.append(b.told[0]._replace(seq=8))),
    "a gap in the order": ("order", lambda j, b: b.told.pop(2)),
    "told in the wrong order": ("order", swap),
    "told without an event": ("order", lambda j, b: b.told.append(Told(8, 99, OUTLET, AGENCY))),
    "the sequencer counts otherwise": ("order", lambda j, b: setattr(b, "last_told", 8)),
    "a reader missed one": ("readers", lambda j, b: j.readers["all"].events.pop(3)),
    "a reader read one twice": ("readers", lambda j, b: j.readers["all"].events.append(7)),
    "a reader read out of order": ("readers", lambda j, b: j.readers["all"].events.reverse()),
    "a reader stopped short": ("readers", lambda j, b: j.readers["one"].events.clear()),
    "a reader saw what is another's": ("readers", lambda j, b: j.readers["one"].events.append(4)),
    "an acknowledged file is not known": ("files", lambda j, b: b.files.clear()),
    "a known file is not in the store": ("files", lambda j, b: b.objects.pop("path")),
    "a file is cut": ("files", lambda j, b: b.objects.update(path=99)),
    "an answer that nothing excuses": (
        "answers", lambda j, b: j.note("POST /v1/applications", 500, 0.1, "internal"),
    ),
}  # fmt: skip


def test_a_sound_run_is_sound() -> None:
    assert reckon(*sound()) == []


def test_a_lapsed_claim_may_be_taken() -> None:
    journal, books = sound()
    two_holders(journal, books)
    changed(books, 6, at=11.0 + 1800)
    assert not [found for found in reckon(journal, books) if found.startswith("holders")]


@pytest.mark.parametrize("what", BROKEN)
def test_every_harm_is_found(what: str) -> None:
    check, change = BROKEN[what]
    journal, books = sound()
    change(journal, books)
    assert [found for found in reckon(journal, books) if found.startswith(f"{check}: ")]


def test_every_reckoning_is_shown_to_fail() -> None:
    assert {check for check, _ in BROKEN.values()} == {check.__name__ for check in CHECKS}


def test_a_seed_draws_the_same_plan() -> None:
    assert plan("7", 60) == plan("7", 60) != plan("8", 60)
    assert {fault.name for fault in plan("7", 900)} == set(KINDS)
