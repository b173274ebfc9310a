"""Liaison persons of outlets: sealed in a table of their own, in no history and no proposal."""

from collections.abc import Mapping
from typing import NamedTuple

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.clock import now
from kit.crypto import KeyRing, place
from outlets import queries
from outlets.models import OutletContact


class Contact(NamedTuple):
    """Name and telephone; empty: not known."""

    name: str = ""
    phone: str = ""


NOBODY = Contact()


def opened(keys: KeyRing, row: OutletContact) -> Contact:
    """Read who is behind a row."""
    where = place("outlet_contact", "sealed", row.outlet)
    return Contact(*orjson.loads(keys.open(row.sealed, bound_to=where)))


async def keep(
    session: AsyncSession, keys: KeyRing, wanted: Mapping[str, Contact], by: str
) -> set[str]:
    """Keep liaison persons by outlet; what is left empty stays. Give the outlets of which something changed.

    The caller holds the registry.
    """
    if not wanted:
        return set()
    there = {row.outlet: row for row in await queries.contacts(session, [*wanted])}
    changed = set()
    for outlet, said in wanted.items():
        row = there.get(outlet)
        before = NOBODY if row is None else opened(keys, row)
        after = Contact(said.name or before.name, said.phone or before.phone)
        if after != before:
            changed.add(outlet)
            put(session, keys, outlet, row, after, by)
    await session.flush()
    return changed


def put(
    session: AsyncSession, keys: KeyRing, outlet: str, row: OutletContact | None, said: Contact, by: str
) -> OutletContact:  # fmt: skip
    """Seal who it is into the outlet's row, or a new one."""
    where = place("outlet_contact", "sealed", outlet)
    sealed, at = keys.seal(orjson.dumps([*said]), bound_to=where), now()
    if row is None:
        row = OutletContact(outlet=outlet, sealed=sealed, changed_at=at, changed_by=by)
    else:
        row.sealed, row.changed_at, row.changed_by = sealed, at, by
        row.version += 1
    session.add(row)
    return row
