"""What is sealed, as data: how each kind of row is told, in which order, and which columns it has.

A row is told as the JSON array of its columns, made by the database, so that it can be made again by anyone who
has the row. Each form stays for ever: blocks name theirs. A column that is new comes with a new form, which a
test demands; rows sealed before keep the form that they were sealed in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

CHUNK = 1024
"""Rows in a block at most."""


@dataclass(frozen=True)
class Form:
    """One way to tell a row: expressions over its order `q`, the row `r`, and what stands beside it `t`."""

    columns: tuple[str, ...]

    @property
    def told(self) -> str:
        """The bytes of a row."""
        listed = ", ".join(_expression(column) for column in self.columns)
        return f"convert_to(json_build_array({listed})::text, 'UTF8')"


@dataclass(frozen=True)
class Stream:
    """A kind of row."""

    name: str
    what: str
    """What a person calls a row."""
    table: str
    order: str
    member: str
    """Column of the order that names the row."""
    joined: str
    """Joins row and what stands beside it to the order."""
    forms: Mapping[int, Form]
    strays: str
    """Finds rows that were never put in order and should have been, or that never will be."""

    @property
    def form(self) -> int:
        """The form in which rows are sealed from now on."""
        return max(self.forms)

    def read(self, form: int) -> str:
        """Select rows by their number in the order: number, id, whether it is there, told."""
        return (
            f"SELECT q.seq, q.{self.member}::text, r.id IS NOT NULL, {self.forms[form].told}"  # noqa: S608
            f" FROM {self.order} q {self.joined} WHERE q.seq BETWEEN $1 AND $2 ORDER BY q.seq"
        )


def _expression(column: str) -> str:
    """Write a column so that no setting of the session changes how it looks."""
    name, _, kind = column.partition(":")
    return {
        "": name,
        "instant": f"(extract(epoch FROM {name}) * 1000000)::bigint",
        "bytes": f"encode({name}, 'hex')",
        "text": f"{name}::text",
    }[kind]


def _columns(alias: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{alias}.{name}" for name in names)


EVENT_1 = Form(
    _columns("q", ("seq", "event", "at:instant", "outlet", "agency"))
    + _columns("r", (
        "id", "at:instant", "xid:text", "kind", "application", "version", "state", "step", "actor",
        "actor_role", "outlet", "agency", "facts",
    ))
    + _columns("t", ("event", "commitment:bytes"))
)  # fmt: skip
ACCESS_1 = Form(
    _columns("q", ("seq", "record:text", "xid:text"))
    + _columns("r", (
        "id:text", "at:instant", "xid:text", "subject", "role", "application", "kind", "person:bytes",
        "outlet", "agency", "elsewhere", "address", "purpose_commitment:bytes",
    ))
)  # fmt: skip

EVENT = Stream(
    name="event", what="event", table="event", order="event_sequence", member="event",
    joined=(
        "LEFT JOIN event r ON r.id = q.event AND r.at = q.at"
        " LEFT JOIN event_text t ON t.event = q.event"
    ),
    forms=MappingProxyType({1: EVENT_1}),
    strays="""
        SELECT r.id::text FROM event r, event_sequencer s
        WHERE (r.xid < s.window_from OR r.xid >= pg_snapshot_xmax(pg_current_snapshot())
                OR (r.xid < s.window_to AND r.id <= s.done_id))
            AND NOT EXISTS (SELECT FROM event_sequence q WHERE q.event = r.id AND q.at = r.at)
        ORDER BY r.id LIMIT 1
    """,
)  # fmt: skip

ACCESS = Stream(
    name="access", what="access record", table="access_record", order="access_sequence",
    member="record", joined="LEFT JOIN access_record r ON r.id = q.record",
    forms=MappingProxyType({1: ACCESS_1}),
    strays="""
        SELECT r.id::text FROM access_record r
        WHERE (r.xid IS NULL OR r.xid >= pg_snapshot_xmax(pg_current_snapshot()) OR (r.xid, r.id) <=
                (SELECT q.xid, q.record FROM access_sequence q ORDER BY q.seq DESC LIMIT 1))
            AND NOT EXISTS (SELECT FROM access_sequence q WHERE q.record = r.id)
        ORDER BY r.xid, r.id LIMIT 1
    """,
)  # fmt: skip

STREAMS = MappingProxyType({stream.name: stream for stream in (EVENT, ACCESS)})
"""In the order in which they are read."""
