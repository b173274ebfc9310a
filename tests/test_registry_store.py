"""Rows of the registry are kept with their history, and a file that is loaded twice changes nothing."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.db import Sessions, transaction
from outlets.models import Bank, Outlet, RegistryChange
from outlets.service import Deed, store
from tests.make import Make

BY = Deed("person:a", "outlet_admin", "change", "a reason")


async def history(session: AsyncSession, kind: str, key: str) -> list[RegistryChange]:
    wanted = select(RegistryChange).where(RegistryChange.kind == kind, RegistryChange.key == key)
    return list((await session.exec(wanted.order_by(col(RegistryChange.id)))).all())


async def test_a_change_is_told_field_by_field(sessions: Sessions, make: Make) -> None:
    place = await make.place()
    async with transaction(sessions) as session:
        outlet = await session.get_one(Outlet, place.outlet)
        row = outlet.model_dump()
    changed = {**row, "phone": "0571-88880000", "name": "测试长兴支行(样例)"}
    async with transaction(sessions) as session:
        assert await store(session, Outlet, [changed], BY) == {place.outlet: 2}
    async with transaction(sessions) as session:
        made, told = await history(session, "outlet", place.outlet)
        assert (made.action, made.fields, made.version) == ("create", {}, 1)
        assert (told.action, told.actor, told.actor_role) == ("change", "person:a", "outlet_admin")
        assert told.reason == "a reason"
        assert told.fields == {
            "phone": ["12333", "0571-88880000"],
            "name": [row["name"], "测试长兴支行(样例)"],
        }
        outlet = await session.get_one(Outlet, place.outlet)
        assert outlet.pinyin.startswith("ce shi chang xing zhi hang")
        assert outlet.initials.startswith("cscxzh")


async def test_what_is_as_it_was_has_no_history(sessions: Sessions) -> None:
    row = {"code": "STWICE", "name": "两次银行(样例)", "bank_class": "313"}
    async with transaction(sessions) as session:
        assert await store(session, Bank, [row], BY) == {"STWICE": 1}
        assert await store(session, Bank, [row], BY) == {}
        assert await store(session, Bank, [], BY) == {}
    async with transaction(sessions) as session:
        assert len(await history(session, "bank", "STWICE")) == 1
