"""What is wrong with an application that is handed in: everything, at once, in words.

What a terminal without a line can find too stands in `schemas.checks`.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from applications.numbers import RESERVED, TAKEN_WITHIN, parts
from divisions.memory import DivisionsMemory
from files.proof import proves
from kit.clock import day_of
from kit.crypto import KeyRing
from kit.errors import Fault, Words
from matters.compiled import CompiledGuide
from schemas import checks
from schemas.applications import ApplicationSubmit, HandedIn, IdType
from schemas.checks import Bounds, people_faults, said_faults

LOST_WORDS = Words(
    "文件已因超过7天未使用被清除，请重新上传", "removed after 7 days without use: send it again"
)


def content_faults(
    wanted: ApplicationSubmit,
    guide: CompiledGuide,
    *,
    outlet: str,
    keys: KeyRing,
    at: datetime,
    latest: date,
) -> list[Fault]:
    """Find all faults of content; what is promised must come by `latest`."""
    day = day_of(at)
    return [
        *said_faults(wanted, at),
        *_number(wanted.number, outlet, day),
        *people_faults(wanted, guide, day),
        *set_faults(
            wanted.form, wanted.materials, guide, outlet=outlet, keys=keys, day=day, latest=latest
        ),
    ]


def set_faults(
    form: dict[str, Any],
    handed: list[HandedIn],
    guide: CompiledGuide,
    *,
    outlet: str,
    keys: KeyRing,
    day: date,
    latest: date,
) -> list[Fault]:
    """Find all faults of a form and its materials as a whole."""
    bounds = Bounds(day, latest, lambda file: proves(keys, file, outlet))
    return checks.set_faults(form, handed, guide, bounds)


NUMBER_WORDS = {
    "check": Words(
        "办件编号不正确，请核对", "not a number of ours: its check digit or its day is wrong"
    ),
    "outlet": Words("办件编号不属于本网点", "the number is another outlet's"),
    "day": Words("办件编号的预留日期在今天之后", "the number is of a day to come"),
    "expired": Words(
        "预留编号已超过60天，请重新取号并换发回执",
        "reserved more than 60 days ago: reserve another, and give the applicant another receipt",
    ),
    "not-reserved": Words("该编号未预留给本终端", "the number was not reserved for this terminal"),
    "used": Words("该预留编号已被另一办件使用", "the number was used for another application"),
}


def number_fault(rule: str) -> Fault:
    """Say what is wrong with a number that was given."""
    return Fault("/number", rule, NUMBER_WORDS[rule])


def _number(given: str | None, outlet: str, day: date) -> Iterator[Fault]:
    """Find what a number itself tells; whether it was reserved is known to the database."""
    if given is None:
        return
    said = parts(given)
    if said is None:
        yield number_fault("check")
        return
    rules = {
        "outlet": said.outlet != outlet, "day": said.day > day,
        "expired": day - said.day > TAKEN_WITHIN, "not-reserved": said.serial not in RESERVED,
    }  # fmt: skip
    yield from (number_fault(rule) for rule, broken in rules.items() if broken)


def lost_faults(handed: Sequence[HandedIn], lost: Collection[str]) -> list[Fault]:
    """Name the materials whose files were removed."""
    return [
        Fault(f"/materials/{index}/file", "file-removed", LOST_WORDS)
        for index, item in enumerate(handed)
        if item.file in lost
    ]


def warnings(
    wanted: ApplicationSubmit, divisions: DivisionsMemory, *, likely_duplicate: bool
) -> list[dict[str, Any]]:
    """Find what to look at and refuses nothing."""
    found: list[dict[str, Any]] = []
    if (
        _place_unknown(wanted.applicant, divisions)
        or _place_unknown(wanted.subject, divisions)
        or _place_unknown(wanted.proxy, divisions)
    ):
        message = "身份证号码前6位不在现有区划中，请核对(旧区划不影响办理)"
        found.append({"code": "id-place-unknown", "message": message})
    if likely_duplicate:
        message = "该人同一事项已有在办件，可能重复提交"
        found.append({"code": "likely-duplicate", "message": message})
    return found


def _place_unknown(person: Any, divisions: DivisionsMemory) -> bool:
    if person is None or getattr(person, "id_type", None) is not IdType.RESIDENT_ID:
        return False
    return not divisions.known(person.id_number[:6])
