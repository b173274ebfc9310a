"""What is wrong with an application, as far as it shows from itself and its guide.

Everything at once, in words; the same at the service and at a terminal without a line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, Protocol

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
from schemas.guides import Exemption, GuideContent, Material, Necessity
from schemas.problems import Fault, Words

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
PAST_WORDS = Words("承诺日期已过", "the day is past")
EXEMPTION_NAMES = {
    Exemption.CARD_READ: "读卡", Exemption.E_LICENCE: "电子证照",
    Exemption.DATA_SHARING: "数据共享", Exemption.COMMITMENT: "告知承诺",
}  # fmt: skip
OFFLINE, AHEAD = timedelta(days=366), timedelta(days=1)
"""How far a device's time may lie behind ours, and before it."""

CHINESE = frozenset({IdType.RESIDENT_ID, IdType.RESIDENCE_PERMIT})
"""Papers whose number follows GB 11643."""


class Asking(Protocol):
    """A guide, as far as an application is held against it."""

    @property
    def guide(self) -> GuideContent: ...  # noqa: D102
    @property
    def materials(self) -> Mapping[str, Material]: ...  # noqa: D102
    @property
    def required(self) -> Sequence[str]: ...  # noqa: D102
    def form_faults(self, form: dict[str, Any]) -> list[Fault]: ...  # noqa: D102


class Bounds(NamedTuple):
    """What materials are held against, beside the guide."""

    day: date
    latest: date | None
    """By when what is promised must come; None: not known here."""
    owns: Callable[[str], bool]
    """Tells whether a file is the outlet's own."""


def said_faults(wanted: ApplicationSubmit, at: datetime) -> list[Fault]:
    """Find what is wrong with what is said beside form and people."""
    return [*_consent(wanted), *_captured(wanted, at)]


def people_faults(wanted: ApplicationSubmit, guide: Asking, day: date) -> list[Fault]:
    """Find what is wrong with applicant, subject and proxy."""
    return [
        *_applicant(wanted.applicant, guide, day),
        *_identity("/subject", wanted.subject, day),
        *_about_nobody(wanted, guide),
        *_identity("/proxy", wanted.proxy, day),
        *_phone("/proxy", wanted.proxy),
    ]


def set_faults(
    form: dict[str, Any], handed: Sequence[HandedIn], guide: Asking, bounds: Bounds
) -> list[Fault]:
    """Find all faults of a form and its materials as a whole."""
    return [*guide.form_faults(form), *_materials(handed, guide, bounds)]


def _consent(wanted: ApplicationSubmit) -> Iterator[Fault]:
    if not wanted.consent:
        yield Fault("/consent", "consent", CONSENT_WORDS)


def _about_nobody(wanted: ApplicationSubmit, guide: Asking) -> Iterator[Fault]:
    """Find what a unit asks of a person's archive without saying whose."""
    is_a_units = wanted.subject is None and isinstance(wanted.applicant, Organization)
    if is_a_units and any(step.archive for step in guide.guide.steps):
        yield Fault("/subject", "required", Words("须填写档案所属的人", "say whose archive"))


def _captured(wanted: ApplicationSubmit, at: datetime) -> Iterator[Fault]:
    """Find a device time that no device can have had; a week offline is no fault, a year is."""
    captured = wanted.captured_at
    if captured is not None and not at - OFFLINE <= captured <= at + AHEAD:
        yield Fault("/captured_at", "range", Words("设备时间不在合理范围", "no plausible time"))


def _applicant(applicant: Person | Organization, guide: Asking, day: date) -> Iterator[Fault]:
    objects = guide.guide.service_objects
    if isinstance(applicant, Organization):
        if all(kind == "1" for kind in objects):
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


def _materials(handed: Sequence[HandedIn], guide: Asking, bounds: Bounds) -> Iterator[Fault]:
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


def _material(at: str, item: HandedIn, guide: Asking, bounds: Bounds) -> Iterator[Fault]:
    ways = [item.file, item.exemption, item.promised_by]
    if sum(way is not None for way in ways) != 1:
        yield Fault(at, "way", WAY_WORDS)
    if item.file is not None and not bounds.owns(item.file):
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
    at: str, day: date, material: Material, guide: Asking, bounds: Bounds
) -> Iterator[Fault]:
    """Find a promise for what may not follow later, or for a day that is past or too late."""
    if not may_follow(material, guide):
        yield Fault(at, "tolerance", Words("该材料不可容缺后补", "it may not follow later"))
    elif day < bounds.day or (bounds.latest is not None and day > bounds.latest):
        words = Words(f"须在{bounds.latest}前补齐", f"must follow by {bounds.latest}")
        yield Fault(at, "range", words if bounds.latest is not None else PAST_WORDS)


def may_follow(material: Material, guide: Asking) -> bool:
    """Tell whether a material may be handed in after acceptance (容缺受理)."""
    return guide.guide.tolerant_acceptance and material.necessity is Necessity.TOLERABLE
