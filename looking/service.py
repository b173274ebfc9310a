"""What can be done about looking: record it before it is shown, and raise an alert where it is unusual."""

from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from prometheus_client import Counter
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.chain import COUNTY
from access.models import AccessRecord
from kit.clock import now
from kit.commitment import commit, read
from kit.crypto import KeyRing, place
from kit.ids import uuid7
from looking import queries
from looking.rules import THRESHOLDS, Threshold
from schemas.looking import LookKind

log = structlog.get_logger()
UNUSUAL = Counter("syt_unusual_looking_total", "Alerts of unusual looking.", ("rule",))
for _known in THRESHOLDS:
    UNUSUAL.labels(_known.rule)  # There from the start: a rise from nothing is none.
SEALED = "purpose_sealed"


class Look(NamedTuple):
    """What is looked at, and why."""

    kind: LookKind
    purpose: str
    address: str | None
    application: str = ""
    person: bytes | None = None
    """Keyed hash of whose data it is; None of a report."""
    outlet: str | None = None
    agency: str | None = None


def is_elsewhere(look: Look) -> bool:
    """Tell whether a matter was handed in outside of the place of the agency that looks."""
    area = (look.agency or "").removesuffix("00").removesuffix("99")
    return look.outlet is not None and not look.outlet.startswith(area)


async def record(session: AsyncSession, keys: KeyRing, caller: Caller, look: Look) -> None:
    """Record that somebody is about to be shown personal data in full, and watch how much it becomes."""
    id_ = uuid7()
    said = commit(keys, look.purpose, bound_to=place(AccessRecord.__tablename__, SEALED, id_))
    session.add(
        AccessRecord(
            id=id_, subject=caller.id, role=caller.role, application=look.application,
            purpose_sealed=said.sealed, purpose_commitment=said.commitment, kind=look.kind,
            person=look.person, outlet=look.outlet, agency=look.agency or _own_place(caller),
            elsewhere=is_elsewhere(look), address=look.address,
        )
    )  # fmt: skip
    await session.flush()
    if look.person is not None:
        await _watch(session, caller, look)


def _own_place(caller: Caller) -> str | None:
    """Name the place of who looks, where what he looks at has none: the widest of all that he may see."""
    areas = sorted({area for reach in caller.reaches.values() for area in reach.areas}, key=len)
    return areas[0].ljust(COUNTY, "0") if areas else None


async def _watch(session: AsyncSession, caller: Caller, look: Look) -> None:
    at = now()
    seen = await queries.people_seen(session, caller.id, at)
    for threshold in THRESHOLDS:
        if seen[threshold.rule] > threshold.people:
            await _raise(session, caller, look, threshold, seen[threshold.rule], at)


async def _raise(
    session: AsyncSession, caller: Caller, look: Look, threshold: Threshold, people: int, at: datetime
) -> None:  # fmt: skip
    length = threshold.within.total_seconds()
    start = datetime.fromtimestamp(at.timestamp() // length * length, UTC)
    raised = await queries.add_alert(session, {
        "id": uuid7(), "at": at, "rule": threshold.rule, "subject": caller.id, "role": caller.role,
        "agency": look.agency or _own_place(caller) or "", "people": people, "window_from": start,
    })  # fmt: skip
    if raised:
        UNUSUAL.labels(threshold.rule).inc()
        log.warning("unusual_looking", rule=threshold.rule, role=caller.role)


def purpose_of(keys: KeyRing, row: AccessRecord) -> str:
    """Read why somebody looked."""
    bound = place(AccessRecord.__tablename__, SEALED, row.id)
    return read(keys, row.purpose_sealed, row.purpose_commitment, bound_to=bound)
