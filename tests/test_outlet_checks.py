"""What is said of an outlet, held against rules: each fault named, and only where something was changed."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from api.state import State
from cli.sample import agreement_number
from kit.clock import today
from kit.db import Sessions, transaction
from outlets.checks import Known, faults, split_division
from outlets.models import Agreement, Outlet
from outlets.service import Deed, hold, store, take_numbers
from tests import make as m
from tests.make import Make

BY = Deed("person:a", "outlet_admin", "record")
SOUND: dict[str, Any] = {
    "name": "测试支行(样例)", "bank": "SRCB", "agreement": agreement_number("SRCB"), "kind": "bank_branch",
    "division": "330106014", "village": None, "lat": 30.2784, "lng": 120.11842, "phone": "0571-80000001",
    "cnaps": "402331099994", "licence": "B0001H111000001", "parent": None, "allowed": None, "denied": [],
}  # fmt: skip


def known(state: State, day: Any = None) -> Known:
    desk = state.desk
    return Known(desk.divisions, desk.registry, desk.catalogue.matters, day or today())


def found(state: State, *changed: str, **row: Any) -> list[str]:
    told = faults({**SOUND, **row}, known(state), set(changed) or None)
    return [f"{fault.at} {fault.rule}" for fault in told]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, ""),
        ({"cnaps": "402331099995"}, "/cnaps check"),
        ({"cnaps": "40233109999"}, "/cnaps form"),
        ({"cnaps": None, "licence": None, "phone": "", "lat": None, "lng": None, "agreement": None}, ""),
        ({"licence": "B0001H11100001"}, "/licence form"),
        ({"phone": "12333"}, ""), ({"phone": "95588"}, ""), ({"phone": "4008895588"}, ""),
        ({"phone": "13900000001"}, ""), ({"phone": "1390000000"}, "/phone form"),
        ({"division": "330106"}, "/division level"),
        ({"division": "330103001"}, "/division unknown"),
        ({"division": "330383", "lat": 27.57, "lng": 120.55}, ""),
        ({"division": "330106014", "village": "330106015001"}, "/division village"),
        ({"lat": 30.2, "lng": 119.7}, "/point county"),
        ({"lat": 48.8566, "lng": 2.3522}, "/point abroad"),
        ({"lat": 120.11842, "lng": 30.2784}, "/point swapped"),
        ({"kind": "convenience_point", "licence": None}, "/parent missing"),
        ({"kind": "convenience_point", "licence": None, "parent": "330106999998"}, "/parent unknown"),
        ({"kind": "convenience_point", "parent": "330106999998"}, "/licence kind, /parent unknown"),
        ({"parent": "330106999998"}, "/parent kind"),
        ({"agreement": "NONE"}, "/agreement unknown"),
        ({"agreement": agreement_number("SPSB")}, "/agreement bank"),
        ({"allowed": [m.RECORD, "000000000000"]}, "/allowed/1 matter"),
        ({"allowed": [m.RECORD], "denied": [m.RECORD]}, "/denied both"),
        ({"cnaps": "1", "phone": "1", "lat": 0.0, "lng": 0.0}, "/point abroad, /cnaps form, /phone form"),
    ],
)  # fmt: skip
async def test_each_fault_is_told(state: State, row: dict[str, Any], expected: str) -> None:
    assert ", ".join(found(state, **row)) == expected


async def test_a_change_is_judged_by_what_it_changes(state: State) -> None:
    wrong = {"phone": "1", "cnaps": "1", "lat": 0.0, "lng": 0.0, "allowed": ["1"]}
    assert found(state, "windows", **wrong) == []
    assert found(state, "phone", **wrong) == ["/phone form"]
    assert found(state, "division", **wrong) == ["/point abroad"]


async def test_a_point_belongs_to_a_branch_of_its_bank(state: State, make: Make) -> None:
    place = await make.place()
    point = {"kind": "convenience_point", "licence": None, "parent": place.outlet}
    assert found(state, **point) == []
    assert found(state, **point, bank="SPSB", agreement=None) == ["/parent bank"]
    await make.change(Outlet, number=place.outlet, status="exited")
    assert found(state, **point) == ["/parent unknown"]


async def test_a_village_is_split_from_its_township() -> None:
    assert split_division("330106014") == ("330106014", None)
    assert split_division("330106014000") == ("330106014", None)
    assert split_division("330383000000") == ("330383", None)
    assert split_division("330106014001") == ("330106014", "330106014001")


async def test_one_that_is_renewed_takes_its_outlets_along(
    state: State, sessions: Sessions, make: Make
) -> None:
    day, serial = today(), m.key()[:8]
    terms = {"bank": "SRCB", "division": "330106", "matters": None, "max_delegation": "D3"}
    rows = [
        {
            **terms, "number": f"{serial}-{n}", "replaces": f"{serial}-{n - 1}" if n else None,
            "valid_from": day + timedelta(days=n * 10 - 10), "valid_to": day + timedelta(days=n * 10 - 1),
        }
        for n in range(3)
    ]  # fmt: skip
    async with transaction(sessions) as session:
        for row in rows:
            await store(session, Agreement, [row], BY)
    await make.settle()
    registry = state.desk.registry
    in_force = {
        n: registry.agreement(f"{serial}-0", day + timedelta(days=n)) for n in (-1, 0, 9, 10, 20)
    }
    assert {n: a.number[-1] for n, a in in_force.items() if a} == {
        -1: "0", 0: "1", 9: "1", 10: "2", 20: "2",
    }  # fmt: skip
    assert [n for n, a in in_force.items() if a and not a.on(day + timedelta(days=n))] == [20]
    assert not registry.is_over(registry.agreements[f"{serial}-0"], day)
    assert registry.is_over(registry.agreements[f"{serial}-0"], day + timedelta(days=20))


async def test_numbers_that_are_taken_at_once_are_different(sessions: Sessions) -> None:
    async def take() -> list[str]:
        async with transaction(sessions) as session:
            await hold(session)
            numbers = (await take_numbers(session, {"331127": 3}))["331127"]
            rows = [
                {
                    "number": number, "name": "测试(样例)", "bank": "SRCB", "kind": "bank_branch",
                    "service_class": "basic", "status": "applied", "division": "331127100", "address": "",
                    "is_sample": True, "windows": 1, "phone": "", "hours": "",
                }
                for number in numbers
            ]  # fmt: skip
            await store(session, Outlet, rows, BY)
            return numbers

    taken = await asyncio.gather(*(take() for _ in range(4)))
    assert sorted(n for one in taken for n in one) == [f"331127{n:06}" for n in range(1, 13)]
