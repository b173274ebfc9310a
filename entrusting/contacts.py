"""Who an outlet's liaison person is (联络员): for the bank and the authority that look after it alone."""

from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from entrusting.errors import RegistryInvalid, RegistryStale
from kit.crypto import KeyRing
from kit.errors import Fault
from outlets import checks, queries
from outlets.contacts import Contact, put
from outlets.models import Outlet, OutletContact
from outlets.service import hold


async def of(session: AsyncSession, outlet: str) -> OutletContact | None:
    """Load the row of an outlet's liaison person."""
    return next(iter(await queries.contacts(session, [outlet])), None)


async def change(
    session: AsyncSession,
    keys: KeyRing,
    caller: Caller,
    outlet: Outlet,
    said: Contact,
    *,
    version: int,
) -> OutletContact:
    """Name the liaison person of an outlet anew; nobody, where name and telephone are empty.

    `version` is the one that was read, 0 where there was none.

    Raises:
        RegistryStale: somebody else has named one since.
        RegistryInvalid: the telephone is none.
    """
    await hold(session)
    row = await of(session, outlet.number)
    if (0 if row is None else row.version) != version:
        raise RegistryStale(version=0 if row is None else row.version)
    if said.phone and not checks.is_phone(said.phone):
        raise RegistryInvalid(faults=[Fault("/phone", "form", checks.PHONE_WORDS)])
    made = put(session, keys, outlet.number, row, said, caller.id)
    await session.flush()
    return made
