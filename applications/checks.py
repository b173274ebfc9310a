"""What is wrong with an application that is handed in: everything, at once, in words."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from applications.numbers import RESERVED, TAKEN_WITHIN, parts
from divisions.memory import DivisionsMemory
from files.proof import proves
from kit.clock import day_of
from kit.crypto import KeyRing
from kit.errors import Fault, Words
from matters.compiled import CompiledGuide
from schemas.applications import (
    ApplicationSubmit,
    HandedIn,
    IdType,
    Organization,
    Person,
    Proxy,
    Subject,
)
from schemas.codes import credit_code_fault, id_fault, landline_holds, mobile_holds
from schemas.guides import Exemption, Material, Necessity

ID_WORDS = {
    "form": Words("身份证号码应为18位", "an ID number has 18 characters"),
    "place": Words("身份证号码的地区码不存在", "the ID number begins with no place"),
    "birth": Words("身份证号码中的出生日期不对", "the birth date in the ID number is wrong"),
    "check": Words("身份证号码校验位不对，请核对", "the check digit of the ID number is wrong"),
}
CREDIT_WORDS = Words("统一社会信用代码不正确，请核对", "the credit code is wrong")
PHONE_WORDS = Words("手机号码格式不对", "not a mobile number")
CONSENT_WORDS = Words("须先告知并取得申请人同意", "the applicant's consent is needed")
UNKNOWN_WORDS = Words("指南中没有这项材料", "the guide names no such material")
REPEATED_WORDS = Words("同一材料重复提交", "handed in twice")
WAY_WORDS = Words(
    "须且只须提供文件、免提交方式或承诺日期之一", "give a file, an exemption or a day"
)
FILE_WORDS = Words("文件不存在或不属于本网点", "no file of this outlet")
LOST_WORDS = Words(
    "文件已因超过7天未使用被清除，请重新上传", "removed after 7 days without use: send it again"
)
EXEMPTION_NAMES = {
    Exemption.CARD_READ: "读卡", Exemption.E_LICENCE: "电子证照",
    Exemption.DATA_SHARING: "数据共享", Exemption.COMMITMENT: "告知承诺",
}  # fmt: skip
OFFLINE, AHEAD = timedelta(days=366), timedelta(days=1)
"""How far a device's time may lie behind ours, and before it."""

CHINESE = frozenset({IdType.RESIDENT_ID, IdType.RESIDENCE_PERMIT})
"""Papers whose number follows GB 11643."""


class Bounds(NamedTuple):
    """What materials are held against, beside the guide."""

    outlet: str
    keys: KeyRing
    day: date
    latest: date
    """By when what is promised must come."""


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
        *_consent(wanted),
        *_captured(wanted, at),
        *_number(wanted.number, outlet, day),
        *_applicant(wanted.applicant, guide, day),
        *_identity("/subject", wanted.subject, day),
        *_identity("/proxy", wanted.proxy, day),
        *_phone("/proxy", wanted.proxy),
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
    bounds = Bounds(outlet, keys, day, latest)
    return [*guide.form_faults(form), *_materials(handed, guide, bounds)]


def _consent(wanted: ApplicationSubmit) -> Iterator[Fault]:
    if not wanted.consent:
        yield Fault("/consent", "consent", CONSENT_WORDS)


def _captured(wanted: ApplicationSubmit, at: datetime) -> Iterator[Fault]:
    """Find a device time that no device can have had; a week offline is no fault, a year is."""
    captured = wanted.captured_at
    if captured is not None and not at - OFFLINE <= captured <= at + AHEAD:
        yield Fault("/captured_at", "range", Words("设备时间不在合理范围", "no plausible time"))


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


def _applicant(
    applicant: Person | Organization, guide: CompiledGuide, day: date
) -> Iterator[Fault]:
    objects = set(guide.guide.service_objects)
    if isinstance(applicant, Organization):
        if not objects - {"1"}:
            yield Fault(
                "/applicant/kind", "service-object", Words("该事项只面向个人", "for persons only")
            )
        if credit_code_fault(applicant.credit_code.upper()) is not None:
            yield Fault("/applicant/credit_code", "credit-code", CREDIT_WORDS)
    else:
        if "1" not in objects:
            yield Fault(
                "/applicant/kind", "service-object", Words("该事项只面向单位", "for units only")
            )
        yield from _identity("/applicant", applicant, day)
    yield from _phone("/applicant", applicant)


def _identity(at: str, person: Person | Subject | Proxy | None, day: date) -> Iterator[Fault]:
    if person is None or person.id_type not in CHINESE:
        return
    if (fault := id_fault(person.id_number, day)) is not None:
        yield Fault(f"{at}/id_number", f"id-{fault}", ID_WORDS[fault])


def _phone(at: str, person: Person | Organization | Proxy | None) -> Iterator[Fault]:
    if person is None or mobile_holds(person.phone):
        return
    if not (isinstance(person, Organization) and landline_holds(person.phone)):
        yield Fault(f"{at}/phone", "phone", PHONE_WORDS)


def _materials(handed: Sequence[HandedIn], guide: CompiledGuide, bounds: Bounds) -> Iterator[Fault]:
    """Find all that is wrong with materials: each by itself, what came twice, what is missing."""
    seen: set[str] = set()
    for index, item in enumerate(handed):
        yield from _material(f"/materials/{index}", item, guide, bounds)
        if item.code in seen:
            yield Fault(f"/materials/{index}/code", "repeated", REPEATED_WORDS)
        seen.add(item.code)
    for code in guide.required:
        if code not in seen:
            words = Words(f"缺少必要材料：{guide.materials[code].name}", f"{code} is missing")
            yield Fault(f"/materials/{code}", "required", words)


def _material(at: str, item: HandedIn, guide: CompiledGuide, bounds: Bounds) -> Iterator[Fault]:
    ways = [item.file, item.exemption, item.promised_by]
    if sum(way is not None for way in ways) != 1:
        yield Fault(at, "way", WAY_WORDS)
    if item.file is not None and not proves(bounds.keys, item.file, bounds.outlet):
        yield Fault(f"{at}/file", "file", FILE_WORDS)
    material = guide.materials.get(item.code)
    if material is None:
        yield Fault(f"{at}/code", "unknown", UNKNOWN_WORDS)
        return
    if item.exemption is not None and item.exemption not in material.exemptions:
        words = _offered(material)
        yield Fault(f"{at}/exemption", "exemption", words)
    if item.promised_by is not None:
        yield from _promise(f"{at}/promised_by", item.promised_by, material, guide, bounds)


def _offered(material: Material) -> Words:
    """Say in which ways a material need not be handed in."""
    names = "、".join(EXEMPTION_NAMES[way] for way in material.exemptions) or "无"
    codes = ", ".join(material.exemptions) or "none"
    return Words(
        f"该材料不能以此方式免提交；可用方式：{names}", f"not in this way; there are: {codes}"
    )


def _promise(
    at: str, day: date, material: Material, guide: CompiledGuide, bounds: Bounds
) -> Iterator[Fault]:
    """Find a promise for what may not follow later, or for a day that is past or too late."""
    if not may_follow(material, guide):
        yield Fault(at, "tolerance", Words("该材料不可容缺后补", "it may not follow later"))
    elif not bounds.day <= day <= bounds.latest:
        words = Words(f"须在{bounds.latest}前补齐", f"must follow by {bounds.latest}")
        yield Fault(at, "range", words)


def lost_faults(handed: Sequence[HandedIn], lost: Collection[str]) -> list[Fault]:
    """Name the materials whose files were removed."""
    return [
        Fault(f"/materials/{index}/file", "file-removed", LOST_WORDS)
        for index, item in enumerate(handed)
        if item.file in lost
    ]


def may_follow(material: Material, guide: CompiledGuide) -> bool:
    """Tell whether a material may be handed in after acceptance (容缺受理)."""
    return guide.guide.tolerant_acceptance and material.necessity is Necessity.TOLERABLE


def warnings(
    wanted: ApplicationSubmit, divisions: DivisionsMemory, *, likely_duplicate: bool
) -> list[dict[str, Any]]:
    """Find what to look at and refuses nothing."""
    found: list[dict[str, Any]] = []
    people = (wanted.applicant, wanted.subject, wanted.proxy)
    if any(_place_unknown(person, divisions) for person in people):
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
