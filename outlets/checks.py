"""What is wrong with what is said of an outlet: pure rules over its columns, for whoever writes one.

Each rule names the columns that it is about: a change is judged by the rules of what it changes, so that an
old fault elsewhere in the row hinders nobody who corrects a telephone number.
"""

import re
from collections.abc import Callable, Container, Iterator, Mapping, Set
from datetime import date
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias

from access.callers import area_of
from divisions.borders import borders
from divisions.memory import DivisionsMemory, Place, short_code
from kit.coordinates import Point, in_china, looks_swapped
from kit.errors import Fault, Words
from outlets.memory import AgreementInfo, RegistryMemory
from schemas.codes import LICENCE_FORM, cnaps_fault, landline_holds, mobile_holds

Row: TypeAlias = Mapping[str, Any]
"""Columns of an outlet by their names; the point in CGCS2000."""

COUNTY, TOWNSHIP = 3, 4
HOTLINE_FORM = re.compile(r"[1-9][0-9]{4}|400-?[0-9]{3}-?[0-9]{4}", re.ASCII)
"""A short number, as 12333 or a bank's own 95588, or one of 400."""

POINTS_OF = frozenset({"convenience_point", "self_service"})
"""Kinds that belong to an outlet of the same bank; the first never stands alone."""

CNAPS_WORDS = {
    "form": Words("支付系统行号须为12位数字", "a CNAPS number has 12 digits"),
    "check": Words("支付系统行号校验位不对", "the check digit of the CNAPS number is wrong"),
}
LICENCE_WORDS = Words(
    "金融许可证机构编码须为15位，如 B0001H111000001",
    "a licence number has 15 characters, as B0001H111000001",
)
NO_LICENCE_WORDS = Words(
    "便民服务点没有金融许可证", "a convenience point has no licence of its own"
)
PHONE_WORDS = Words(
    "须为手机号码、带区号的固定电话或服务热线", "a mobile number, a landline with its area code, or a hotline"
)  # fmt: skip
DIVISION_WORDS = Words("没有该区划", "no such division")
LOWEST_WORDS = Words(
    "须填写到乡镇(街道)；没有乡镇的县市填写县级代码",
    "name the township; only a county without townships stands for itself",
)
VILLAGE_WORDS = Words("村(社区)代码须在所填乡镇之内", "the village lies in another township")
SWAPPED_WORDS = Words(
    "坐标在中国境外；经度和纬度似乎写反了",
    "the point lies outside China: latitude and longitude seem swapped",
)
OUTSIDE_WORDS = Words("坐标在中国境外", "the point lies outside China")
PARENT_WORDS = Words("没有该上级网点，或已退出", "there is no such parent outlet, or it has left")
PARENT_NEEDED_WORDS = Words(
    "便民服务点须填写所属网点", "a convenience point belongs to an outlet: name it"
)
PARENT_BANK_WORDS = Words(
    "上级网点须为同一银行的营业网点", "the parent is a branch of the same bank"
)
PARENT_UNWANTED_WORDS = Words(
    "仅便民服务点和自助网点有所属网点", "only convenience and self-service points have a parent"
)
AGREEMENT_WORDS = Words("没有该服务协议", "there is no such agreement")
AGREEMENT_BANK_WORDS = Words("服务协议不是本银行的", "the agreement is another bank's")
AGREEMENT_PLACE_WORDS = Words("服务协议不覆盖网点所在地", "the agreement does not cover the place")
AGREEMENT_OVER_WORDS = Words("服务协议已终止", "the agreement is over")
MATTER_WORDS = Words("没有该事项", "there is no such matter")
BOTH_WORDS = Words("同一事项不能既列入又排除", "a matter is either kept to or left out")


class Found(Protocol):
    """An outlet as far as it may be another's parent."""

    @property
    def status(self) -> str:
        """Where it stands in its life."""
        ...

    @property
    def bank(self) -> str:
        """Whose it is."""
        ...

    @property
    def kind(self) -> str:
        """What it is."""
        ...


class Known(NamedTuple):
    """What an outlet is held against."""

    divisions: DivisionsMemory
    registry: RegistryMemory
    matters: Container[str]
    day: date
    outlets: Mapping[str, Found] = MappingProxyType({})
    agreements: Mapping[str, AgreementInfo] = MappingProxyType({})
    """Rows just read: what a process holds may be a second behind."""

    def outlet(self, number: str) -> Found | None:
        """Find an outlet."""
        return self.outlets.get(number) or self.registry.outlets.get(number)

    def agreement(self, number: str) -> AgreementInfo | None:
        """Find an agreement."""
        return self.agreements.get(number) or self.registry.agreements.get(number)


Rule: TypeAlias = Callable[[Row, Known], Iterator[Fault]]


def faults(row: Row, known: Known, changed: Set[str] | None = None) -> Iterator[Fault]:
    """Find all that is wrong with an outlet; with `changed`, by the rules of those columns only.

    `at` names the field of the API, `/point` for the point.
    """
    for about, rule in RULES:
        if changed is None or not about.isdisjoint(changed):
            yield from rule(row, known)


def _division(row: Row, known: Known) -> Iterator[Fault]:
    place = known.divisions.find(row["division"], known.day)
    if place is None:
        yield no_division(row["division"], known.divisions, known.day)
    elif place.level != TOWNSHIP and not _is_bare_county(place, known):
        yield Fault("/division", "level", LOWEST_WORDS)
    elif row.get("village") and not row["village"].startswith(place.code):
        yield Fault("/division", "village", VILLAGE_WORDS)


def no_division(code: str, divisions: DivisionsMemory, day: date) -> Fault:
    """Say that a code is no division of `day`, and what to write instead where that is known."""
    stale = divisions.stale(code, day)
    if stale is None:
        return Fault("/division", "unknown", DIVISION_WORDS)
    return Fault("/division", stale.rule, stale.words)


def _is_bare_county(place: Place, known: Known) -> bool:
    """Tell whether a county has no townships, as 龙港."""
    children = known.divisions.children(place.code, "", known.day)
    return place.level == COUNTY and next(children, None) is None


def split_division(code: str) -> tuple[str, str | None]:
    """Turn a code of 6, 9 or 12 digits into an outlet's division and, where it names one, its village."""
    short = short_code(code)
    return (short[:9], short) if len(short) == 12 else (short, None)


def _point(row: Row, known: Known) -> Iterator[Fault]:
    if row.get("lat") is None or row.get("lng") is None:
        return
    point, county = Point(row["lat"], row["lng"]), row["division"][:6]
    if not in_china(point):
        swapped = looks_swapped(point)
        rule, words = ("swapped", SWAPPED_WORDS) if swapped else ("abroad", OUTSIDE_WORDS)
        yield Fault("/point", rule, words)
    elif borders().holds(county, point) is False:
        yield Fault("/point", "county", _elsewhere(point, known))


def _elsewhere(point: Point, known: Known) -> Words:
    found = borders().county(point)
    place = known.divisions.find(found, known.day) if found else None
    there = place.name if place else None
    return Words(
        f"坐标不在所填区县之内{f'，而在{there}' if there else ''}；请核对坐标系和区划",
        f"the point is not in the county named{f', but in {there}' if there else ''}:"
        " check its coordinate system and the division",
    )


def _cnaps(row: Row, known: Known) -> Iterator[Fault]:
    wrong = cnaps_fault(row["cnaps"]) if row.get("cnaps") else None
    if wrong is not None:
        yield Fault("/cnaps", wrong, CNAPS_WORDS[wrong])


def _licence(row: Row, known: Known) -> Iterator[Fault]:
    if not row.get("licence"):
        return
    if row["kind"] == "convenience_point":
        yield Fault("/licence", "kind", NO_LICENCE_WORDS)
    elif not LICENCE_FORM.fullmatch(row["licence"]):
        yield Fault("/licence", "form", LICENCE_WORDS)


def is_phone(said: str) -> bool:
    """Tell whether somebody can be called so: a mobile number, a landline, or a hotline."""
    known = mobile_holds(said) or landline_holds(said) or HOTLINE_FORM.fullmatch(said)
    return bool(known)


def _phone(row: Row, known: Known) -> Iterator[Fault]:
    said = row.get("phone", "")
    if said and not is_phone(said):
        yield Fault("/phone", "form", PHONE_WORDS)


def _parent(row: Row, known: Known) -> Iterator[Fault]:
    if not row.get("parent"):
        if row["kind"] == "convenience_point":
            yield Fault("/parent", "missing", PARENT_NEEDED_WORDS)
        return
    found = known.outlet(row["parent"])
    if row["kind"] not in POINTS_OF:
        yield Fault("/parent", "kind", PARENT_UNWANTED_WORDS)
    elif found is None or found.status == "exited":
        yield Fault("/parent", "unknown", PARENT_WORDS)
    elif found.bank != row["bank"] or found.kind != "bank_branch":
        yield Fault("/parent", "bank", PARENT_BANK_WORDS)


def _agreement(row: Row, known: Known) -> Iterator[Fault]:
    if not row.get("agreement"):
        return
    found = known.agreement(row["agreement"])
    if found is None:
        yield Fault("/agreement", "unknown", AGREEMENT_WORDS)
    elif found.bank != row["bank"]:
        yield Fault("/agreement", "bank", AGREEMENT_BANK_WORDS)
    elif not row["division"].startswith(area_of(found.division)):
        yield Fault("/agreement", "division", AGREEMENT_PLACE_WORDS)
    elif known.registry.is_over(found, known.day):
        yield Fault("/agreement", "over", AGREEMENT_OVER_WORDS)


def _matters(row: Row, known: Known) -> Iterator[Fault]:
    allowed, denied = row.get("allowed") or (), row.get("denied") or ()
    for name, codes in (("allowed", allowed), ("denied", denied)):
        if not all(map(known.matters.__contains__, codes)):
            for at, code in enumerate(codes):
                if code not in known.matters:
                    yield Fault(f"/{name}/{at}", "matter", MATTER_WORDS)
    if denied and not set(allowed).isdisjoint(denied):
        yield Fault("/denied", "both", BOTH_WORDS)


RULES: tuple[tuple[frozenset[str], Rule], ...] = (
    (frozenset({"division", "village"}), _division),
    (frozenset({"lat", "lng", "division"}), _point),
    (frozenset({"cnaps"}), _cnaps),
    (frozenset({"licence", "kind"}), _licence),
    (frozenset({"phone"}), _phone),
    (frozenset({"parent", "kind", "bank"}), _parent),
    (frozenset({"agreement", "division", "bank"}), _agreement),
    (frozenset({"allowed", "denied"}), _matters),
)
"""Each rule, and the columns that it is about."""
