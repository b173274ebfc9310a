"""The demonstration's registry: sample banks and outlets over every township, by a fixed rule."""

import csv
import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

SEED = 330000
COUNTY = "330106"
YEARS = 3
COUNT = 10_505
"""Outlets that the rule gives: known, so that a later start need not make them to count them."""

FIRST_OUTLET = f"{COUNTY}000001"
"""The outlet that the demonstration's terminal stands in."""

BANKS = (
    ("SRCB", "测试农商银行(样例)", "402", 55),
    ("SPSB", "样例邮政储蓄银行(样例)", "403", 15),
    ("SICB", "测试工商银行(样例)", "102", 7),
    ("SABC", "测试农业银行(样例)", "103", 6),
    ("SCCB", "测试建设银行(样例)", "105", 7),
    ("SCTY", "样例城市商业银行(样例)", "313", 10),
)
"""Code, name, class, and share in the hundred."""

HOURS = ("周一至周五 8:30-11:30,13:30-17:00", "周一至周五 8:00-16:30")


class Township(NamedTuple):
    """A place that gets outlets."""

    code: str
    name: str
    county: str
    lat: float
    lng: float


def townships(path: Path) -> list[Township]:
    """List Zhejiang's townships, and the county that has none (龙港), each with a point inside."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = {r["code"]: r for r in csv.DictReader(file) if r["code"].startswith("33")}
    parents = {r["parent_code"] for r in rows.values() if r["level"] == "4"}
    found = []
    for row in rows.values():
        bare = row["level"] == "3" and row["code"] not in parents
        if row["level"] == "4" or bare:
            near = row if row["lat"] else rows[row["parent_code"]]
            county = row["code"][:6]
            found.append(
                Township(row["code"], row["name"], county, float(near["lat"]), float(near["lng"]))
            )
    return found


def banks() -> list[dict[str, Any]]:
    """The sample banks."""
    return [{"code": c, "name": n, "bank_class": k} for c, n, k, _ in BANKS]


def agreement_number(bank: str) -> str:
    """Name a bank's agreement with the province's agency."""
    return f"SAMPLE-33-{bank}"


def agreements(day: date) -> list[dict[str, Any]]:
    """One agreement of all matters for each bank, in force round `day`'s year."""
    return [
        {
            "number": agreement_number(code), "bank": code, "division": "330000",
            "valid_from": date(day.year - 1, 1, 1), "valid_to": date(day.year + YEARS, 12, 31),
            "matters": None, "max_delegation": "D3",
        }
        for code, *_ in BANKS
    ]  # fmt: skip


def outlets(places: list[Township]) -> Iterator[dict[str, Any]]:
    """Give each township seven or eight outlets; the same ones at every call."""
    chance = random.Random(SEED)  # noqa: S311 -- samples, not secrets
    serial: dict[str, int] = {}
    shares = [share for *_, share in BANKS]
    for place in places:
        for nth in range(chance.choice((7, 8, 8))):
            serial[place.county] = serial.get(place.county, 0) + 1
            bank = BANKS[0] if nth == 0 else chance.choices(BANKS, shares)[0]
            yield _outlet(place, nth, bank, serial[place.county], chance)


def _outlet(
    place: Township, nth: int, bank: tuple[str, str, str, int], serial: int, chance: random.Random
) -> dict[str, Any]:
    branch = nth % 3 != 2
    premium = branch and nth % 3 == 0 and chance.random() < 0.75
    word = "支行" if branch else "便民服务点"
    return {
        "number": f"{place.county}{serial:06}",
        "name": f"{bank[1].removesuffix('(样例)')}{place.name}第{nth + 1}{word}(样例)",
        "bank": bank[0],
        "agreement": agreement_number(bank[0]),
        "kind": "bank_branch" if branch else "convenience_point",
        "service_class": "premium" if premium or nth == 0 else "basic",
        "status": "active",
        "division": place.code,
        "address": f"{place.name}样例路{nth * 10 + 1}号",
        "lat": round(place.lat + chance.uniform(-0.001, 0.001), 6),
        "lng": round(place.lng + chance.uniform(-0.001, 0.001), 6),
        "phone": "12333",
        "hours": HOURS[0] if branch else HOURS[1],
        "windows": 2 if premium else 1,
        "is_sample": True,
        "version": 1,
    }
