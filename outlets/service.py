"""What can be done with the registry. Every change of it goes through `store`, which keeps its history."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from kit.clock import now
from kit.generations import raise_generation
from kit.pinyin import keys
from outlets import queries
from outlets.errors import CountyFull
from outlets.memory import KIND
from outlets.models import Outlet, OutletProposal

SERIALS = 999_999
"""Outlets that a county has numbers for."""


class Deed(NamedTuple):
    """Who changes something, in which role, what he does, and why."""

    actor: str
    role: str
    action: str = "change"
    reason: str = ""


def deed(caller: Caller, action: str = "change", reason: str = "") -> Deed:
    """Name what a caller does."""
    return Deed(caller.id, caller.role, action, reason)


async def hold(session: AsyncSession) -> None:
    """Be the only writer of the registry from here on to the end of the transaction.

    What is read from now on stays true until then: which numbers are taken, what waits for a decision.
    """
    await raise_generation(session, KIND)


async def take_numbers(session: AsyncSession, counts: Mapping[str, int]) -> dict[str, list[str]]:
    """Give the next free numbers of counties: the county's code and a serial of six digits, in order.

    The caller is the only writer (`hold`).

    Raises:
        CountyFull: all of its serials have been given out.
    """
    last = await queries.last_numbers(session, [*counts])
    return {county: _following(county, last[county], count) for county, count in counts.items()}


def _following(county: str, last: str | None, count: int) -> list[str]:
    first = int(last[6:]) + 1 if last else 1
    if first + count - 1 > SERIALS:
        raise CountyFull()
    return [f"{county}{serial:06}" for serial in range(first, first + count)]


async def store(
    session: AsyncSession, table: type[SQLModel], rows: Sequence[Mapping[str, Any]], done: Deed
) -> dict[str, int]:
    """Make or change rows of the registry, each with its history; give keys and versions of those changed.

    Rows are whole and hold the same columns; one that is there already as it is wanted stays as it is, and gets
    no history. A name brings its pinyin, a teller the period at the outlet, a terminal the note of its key. All
    processes know of it within two seconds. Writers of the registry wait for each other from here on to the end
    of the transaction: do what takes long before.
    """
    stamped = [*map(_searchable, rows)] if "pinyin" in table.model_fields else [*rows]
    generation, at = await raise_generation(session, KIND), now()
    made = {"created_at": at, "generation": generation, "version": 1}
    kept = await queries.put_with_history(
        session, table, [{**row, **made} for row in stamped], {**done._asdict(), "at": at}
    )
    await queries.keep_beside(session, str(table.__tablename__), [*kept], at)
    return kept


async def propose(
    session: AsyncSession,
    outlet: Outlet,
    fields: Mapping[str, Any],
    done: Deed,
    *,
    instead: OutletProposal | None = None,
) -> OutletProposal:
    """Let a change of an outlet wait for a decision, in the place of one that waits where there is one.

    The caller holds the registry, and has judged what the outlet would become.
    """
    if instead is not None:
        instead.state, instead.version = "superseded", instead.version + 1
        session.add(instead)
        await session.flush()
    made = OutletProposal(
        outlet=outlet.number, base_version=outlet.version, fields=dict(fields), reason=done.reason,
        proposed_by=done.actor,
    )  # fmt: skip
    session.add(made)
    await session.flush()
    return made


def _searchable(row: Mapping[str, Any]) -> dict[str, Any]:
    said, initials = keys(row["name"])
    return {**row, "pinyin": said[:800], "initials": initials[:200]}
