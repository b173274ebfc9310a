"""From a guide to the words of its sheet: composed once, for the page and the print alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

from matters.compiled import CompiledGuide
from schemas.guides import FlowStep, Guide, LegalBasis, Limit, Material
from sheets import words

K = TypeVar("K", bound=str)


@dataclass(frozen=True)
class Labelled:
    """Some words under a label."""

    label: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Paper:
    """A line of the check list."""

    name: str
    need: str
    when: str
    """In which situations it is asked for; empty: in all."""
    form: str
    note: str
    spared: tuple[str, ...]
    """What spares it (免提交)."""


@dataclass(frozen=True)
class Stage:
    """A step of the flow."""

    name: str
    actor: str
    days: str
    result: str


@dataclass(frozen=True)
class Sheet:
    """All that stands on a sheet, in reading order."""

    name: str
    place: str
    summary: str
    facts: tuple[Labelled, ...]
    who: str
    conditions: tuple[str, ...]
    papers: tuple[Paper, ...]
    stages: tuple[Stage, ...]
    limits: tuple[Labelled, ...]
    workdays: str
    places: tuple[Labelled, ...]
    phones: tuple[Labelled, ...]
    result: tuple[Labelled, ...]
    remedy: str
    bases: tuple[str, ...]
    agency: str
    edition: str
    codes: tuple[Labelled, ...]
    is_sample: bool
    source_note: str
    address: str
    since: tuple[int, int, int]
    """First day in force: the date of the document, which so stays the same for the same guide."""


def compose(compiled: CompiledGuide, place: str, address: str) -> Sheet:
    """Write the sheet of a guide for a place (its name; empty: the whole province) at an address."""
    guide, since = compiled.guide, compiled.effective_from
    return Sheet(
        name=guide.name, place=place, summary=guide.summary,
        facts=_facts(guide),
        who=_joined(words.SERVICE_OBJECTS, guide.service_objects),
        conditions=tuple(guide.accept_conditions),
        papers=tuple(_paper(material, _options(guide)) for material in guide.materials),
        stages=tuple(map(_stage, guide.flow)),
        limits=_limits(guide), workdays=words.WORKDAYS,
        places=_places(guide), phones=_phones(guide), result=_result(guide),
        remedy=guide.remedy, bases=tuple(map(_basis, guide.legal_bases)),
        agency=guide.agency_name, edition=_edition(compiled), codes=_codes(guide),
        is_sample=guide.is_sample, source_note=guide.source_note,
        address=address, since=(since.year, since.month, since.day),
    )  # fmt: skip


def _joined(names: Mapping[K, str], codes: Iterable[K]) -> str:
    return "、".join(names[code] for code in codes if names[code])


def _days(number: int) -> str:
    return f"{number}个工作日" if number else "当场"


def _within(number: int) -> str:
    return f"{number}个工作日内" if number else "当场"


def _facts(guide: Guide) -> tuple[Labelled, ...]:
    """Give what people ask first."""
    promised, legal, visits = guide.promised_limit, guide.legal_limit, guide.visits_required
    spared = sum(1 for material in guide.materials if material.exemptions)
    return (
        Labelled("承诺办结", _days(promised.value), words.STARTS[promised.starts]),
        Labelled(
            "法定时限",
            _days(legal.value) if legal else "法律未规定",
            words.STARTS[legal.starts] if legal else "",
        ),
        Labelled("收费", *(("收费", "") if guide.is_charged else ("不收费", "不收取任何费用"))),
        Labelled(
            "到现场",
            f"最多{visits}次" if visits else "不用跑",
            "可以网上办理" if guide.is_online else "",
        ),
        Labelled(
            "材料", f"{len(guide.materials)}项", f"其中{spared}项可以免提交" if spared else ""
        ),
    )


def _options(guide: Guide) -> dict[str, str]:
    return {option.code: option.name for s in guide.situations for option in s.options}


def _paper(material: Material, options: Mapping[str, str]) -> Paper:
    return Paper(
        name=material.name,
        need=words.NECESSITY[material.necessity],
        when="、".join(options.get(code, code) for code in material.situations),
        form=_form(material),
        note=material.fill_note,
        spared=tuple(words.EXEMPTIONS[way] for way in material.exemptions),
    )


def _form(material: Material) -> str:
    """Say how many, of what: originals and, where any are asked for, copies."""
    counts = (("原件", material.original_count), ("复印件", material.copy_count))
    return "，".join(f"{kind}{number}份" for kind, number in counts if number) or "电子材料"


def _stage(step: FlowStep) -> Stage:
    days = f"{step.limit}个工作日" if step.limit else ""
    return Stage(step.name, step.actor, days, step.result)


def _limits(guide: Guide) -> tuple[Labelled, ...]:
    legal = (
        _limit("法定办结时限", guide.legal_limit)
        if guide.legal_limit
        else Labelled("法定办结时限", "法律、法规没有规定")
    )
    special = (
        Labelled("特别程序", f"{p.name}{_days(p.limit) if p.limit else ''}，不计入以上时限")
        for p in guide.special_procedures
    )  # fmt: skip
    return (
        _limit("承诺办结时限", guide.promised_limit),
        legal,
        Labelled("受理时限", f"收到申请后{_within(guide.accept_limit)}决定是否受理"),
        *special,
    )


def _limit(label: str, limit: Limit) -> Labelled:
    basis = f"依据：{limit.basis}。" if limit.basis else ""
    return Labelled(
        label, f"{words.STARTS[limit.starts]}{_within(limit.value)}", basis + limit.note
    )


def _places(guide: Guide) -> tuple[Labelled, ...]:
    classes = _joined(words.CLASSES, guide.outlet.classes)
    lines = (
        ("办理地点", guide.handle_address),
        ("办理时间", guide.handle_time),
        ("合作银行", f"{classes}{words.DELEGATION[guide.outlet.delegation]}"),
        ("办理形式", _joined(words.HANDLING_FORMS, guide.handling_forms) + _services(guide)),
        ("到场说明", guide.visit_reason),
        ("通办范围", words.SCOPES[guide.cross_area_scope]),
        ("网上办理", guide.online_url),
    )
    return tuple(Labelled(label, text) for label, text in lines if text)


def _services(guide: Guide) -> str:
    offered = (
        ("预约", guide.is_booking),
        ("快递", guide.is_express),
        ("自助终端", guide.is_self_service_terminal),
    )
    known = "、".join(name for name, is_offered in offered if is_offered)
    return f"；支持{known}" if known else ""


def _phones(guide: Guide) -> tuple[Labelled, ...]:
    return (
        Labelled("咨询电话", guide.consult_phone, "；".join(guide.consult_ways)),
        Labelled("监督投诉", guide.supervise_phone, "；".join(guide.supervise_ways)),
    )


def _result(guide: Guide) -> tuple[Labelled, ...]:
    return (
        Labelled("办理结果", guide.result.name),
        Labelled("送达方式", _joined(words.DELIVERY, guide.delivery_ways)),
        Labelled("收费", "按规定收费" if guide.is_charged else "不收取任何费用"),
    )


def _basis(basis: LegalBasis) -> str:
    law = basis.law if basis.law.startswith("《") else f"《{basis.law}》"
    number = f"（{basis.document_no}）" if basis.document_no else ""
    return f"{law}{number}{basis.article}"


def _edition(compiled: CompiledGuide) -> str:
    start = f"第{compiled.version}版，{_said(compiled.effective_from)}起施行"
    last = compiled.effective_to and compiled.effective_to - timedelta(days=1)
    return f"{start}，{_said(last)}止" if last else start


def _said(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def _codes(guide: Guide) -> tuple[Labelled, ...]:
    return (
        Labelled("基本编码", guide.base_code),
        Labelled("实施编码", guide.implementation_code),
        Labelled("办件类型", words.CASE_KINDS[guide.case_kind]),
    )
