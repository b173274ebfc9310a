"""What each action asks for in its body, and everything that is wrong with one."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from applications import draft
from applications.actions import Case, handed, outstanding
from applications.changes import notices
from applications.checks import set_faults
from applications.clocks import Moved, due
from applications.lifecycle import GOES_ON
from kit.errors import Fault, Words
from matters.compiled import CompiledGuide
from routing.rules import route
from schemas.applications import Action, ActionRequest, HandedIn, State
from schemas.checks import may_follow
from schemas.guides import Exemption

REASONS = {
    "BZ": frozenset(f"BZ{n:02}" for n in range(1, 10)),
    "BS": frozenset(f"BS{n:02}" for n in range(1, 7)),
    "TH": frozenset(f"TH{n:02}" for n in range(1, 5)),
    "BY": frozenset(f"BY{n:02}" for n in range(1, 7)),
}
"""Coded reasons: of correction, of refusal, of sending back, of denial."""

MATERIAL_LACKS, FORM_LACKS = "BZ01", "BZ03"
CORRECTED_WITHIN = timedelta(days=90)
"""How far ahead the last day to supply may lie."""

EXTENDED_AT_MOST = 15
"""Working days: 10 by the head of one agency, 15 of a joint matter (行政许可法 42)."""


class Need(NamedTuple):
    """What an action needs in its body."""

    fields: tuple[str, ...] = ()
    reasons: str = ""
    """Which list the coded reason is of; empty: it is in words."""


NEEDS = {
    Action.ASK_CORRECTION: Need(("reasons", "by")),
    Action.PROPOSE_REFUSAL: Need(("reason", "text"), "BS"),
    Action.REFUSE: Need(("reason", "text"), "BS"),
    Action.PROPOSE_SUSPENSION: Need(("procedure", "basis")),
    Action.SEND_BACK: Need(("reason",), "TH"),
    Action.DENY: Need(("reason", "opinion"), "BY"),
    Action.EXTEND: Need(("working_days", "reason")),
    Action.TRANSFER: Need(("agency", "reason")),
    Action.WITHDRAW: Need(("reason",)),
    Action.VOID: Need(("reason",)),
    Action.DELIVER: Need(("way", "received_by")),
}
MISSING = Words("该操作需要此项", "this action needs it")
NAME_IT = Words("须告知有权办理的机构", "name who is competent")
NOT_TAKEN = Words("该操作不接受此理由代码", "this reason is not one for the action")
NO_AGENCY = Words("没有该经办机构", "no such agency")
NO_MATERIAL = Words("指南中没有这项材料", "the guide names no such material")


def coded(wanted: ActionRequest) -> bool:
    """Tell whether the action's reason is a code, fit to stand in an event."""
    return bool(NEEDS.get(wanted.action, Need()).reasons)


def faults(case: Case) -> Iterator[Fault]:
    """Find all that is missing or wrong in an action's body."""
    wanted, need = case.body, NEEDS.get(case.body.action, Need())
    for name in need.fields:
        if getattr(wanted, name) in (None, []):
            yield Fault(f"/{name}", "required", MISSING)
    if need.reasons and wanted.reason is not None and wanted.reason not in REASONS[need.reasons]:
        yield Fault("/reason", "enum", NOT_TAKEN)
    if need.reasons == "BS" and wanted.reason == "BS01" and wanted.right_agency is None:
        yield Fault("/right_agency", "required", NAME_IT)
    if wanted.right_agency is not None and wanted.right_agency not in case.desk.agencies.by_code:
        yield Fault("/right_agency", "unknown", NO_AGENCY)
    yield from CHECKS.get(wanted.action, _none)(case)


def _none(_: Case) -> Iterator[Fault]:
    """Find nothing more."""
    return iter(())


def _granted(case: Case) -> Iterator[Fault]:
    """Find a letter that lacks where the step sends one, or is not sent; a result of a step that has none."""
    step, sent = case.step, case.body.letter
    if step.letter and sent is None:
        yield Fault(
            "/letter", "required", Words(f"须填写{step.letter}的编号", "its number is needed")
        )
    if not step.letter and sent is not None:
        words = Words("本环节不发函件", "no letter goes with this step")
        yield Fault("/letter", "unexpected", words)
    if case.body.result is not None and case.turn in GOES_ON:
        words = Words("本环节不产生办理结果", "a result is of the last step")
        yield Fault("/result", "unexpected", words)


def _delivery(case: Case) -> Iterator[Fault]:
    guide, way = case.guide, case.body.way
    if way is not None and guide and way not in guide.guide.delivery_ways:
        yield Fault("/way", "enum", Words("指南没有这种送达方式", "the guide has no such way"))


def _correction(case: Case) -> Iterator[Fault]:
    """Find what keeps a notice from telling everything, once, and until a day."""
    guide = case.guide
    for index, told in enumerate(case.body.reasons or ()):
        at = f"/reasons/{index}"
        if told.code not in REASONS["BZ"]:
            yield Fault(f"{at}/code", "enum", NOT_TAKEN)
        if told.code == MATERIAL_LACKS and told.material is None:
            yield Fault(f"{at}/material", "required", Words("须指明缺少的材料", "name what lacks"))
        if told.material is not None and guide and told.material not in guide.materials:
            yield Fault(f"{at}/material", "unknown", NO_MATERIAL)
    by = case.body.by
    if by is not None and not case.day < by <= case.day + CORRECTED_WITHIN:
        words = Words("补正期限须在明日起90日内", "the last day is within 90 days from tomorrow on")
        yield Fault("/by", "range", words)


def _tolerance(case: Case) -> Iterator[Fault]:
    """Find promises that the guide does not allow; there must be one, now or from before."""
    missing = case.body.missing or []
    if not missing and not any(item["promised_by"] for item in handed(case.row)):
        yield Fault("/missing", "required", Words("须列明容缺的材料", "name what follows later"))
    latest = case.desk.calendar.workdays.after(case.day, case.laid_guide.guide.promised_limit.value)
    for index, item in enumerate(missing):
        at, material = f"/missing/{index}", case.laid_guide.materials.get(item.code)
        if material is None:
            yield Fault(f"{at}/code", "unknown", NO_MATERIAL)
        elif not may_follow(material, case.laid_guide):
            words = Words("该材料不可容缺后补", "it may not follow later")
            yield Fault(f"{at}/code", "tolerance", words)
        if item.promised_by is None or not case.day <= item.promised_by <= latest:
            words = Words(f"须承诺在{latest}前补齐", f"must be promised by {latest}")
            yield Fault(f"{at}/promised_by", "range", words)
    yield from _twice([item.code for item in missing])


def _commitment(case: Case) -> Iterator[Fault]:
    """Find words given for what the guide takes none for; there must be one, now or from before."""
    missing = case.body.missing or []
    if not missing and not any(
        item["exemption"] == Exemption.COMMITMENT for item in handed(case.row)
    ):
        yield Fault("/missing", "required", Words("须列明承诺的材料", "name what is vouched for"))
    for index, item in enumerate(missing):
        material = case.laid_guide.materials.get(item.code)
        if material is None:
            yield Fault(f"/missing/{index}/code", "unknown", NO_MATERIAL)
        elif Exemption.COMMITMENT not in material.exemptions:
            words = Words("该材料不适用告知承诺", "it can't be replaced by a commitment")
            yield Fault(f"/missing/{index}/code", "commitment", words)
    yield from _twice([item.code for item in missing])


def _twice(codes: list[str]) -> Iterator[Fault]:
    for index, code in enumerate(codes):
        if code in codes[:index]:
            yield Fault(
                f"/missing/{index}/code", "repeated", Words("同一材料重复列出", "named twice")
            )


def _supplied(case: Case) -> Iterator[Fault]:
    """Find all that is wrong with an application as it would stand with what is supplied."""
    form, materials = case.body.form, case.body.materials or []
    if form is None and not materials:
        yield Fault("/materials", "required", Words("没有补交任何内容", "nothing is supplied"))
    plain = draft.opened(case.desk.keys, case.row.number, case.row.sealed)
    whole = form if form is not None else plain["form"]
    yield from _set(case, whole, materials)
    if case.row.state == State.CORRECTION:
        yield from _told(case, materials)
        yield from _moved_away(case, whole)
    else:
        yield from _promised(case, materials)


def _set(case: Case, form: dict[str, Any], materials: list[HandedIn]) -> Iterator[Fault]:
    """Look at form and materials as a whole, what is supplied first, so that its places are the body's."""
    codes = {item.code for item in materials}
    kept = [HandedIn.model_validate(item) for item in handed(case.row) if item["code"] not in codes]
    guide = case.laid_guide
    latest = case.desk.calendar.workdays.after(case.day, guide.guide.promised_limit.value)
    found = set_faults(
        form, [*materials, *kept], guide, outlet=case.row.outlet, keys=case.desk.keys,
        day=case.day, latest=latest,
    )  # fmt: skip
    for fault in found:
        yield fault._replace(at=_named(fault.at, len(materials), kept))


def _named(at: str, supplied: int, kept: list[HandedIn]) -> str:
    """Give the place of a fault; what the body does not have is named by its code."""
    head = at.removeprefix("/materials/").partition("/")[0]
    if at.startswith("/materials/") and head.isdecimal() and int(head) >= supplied:
        return f"/materials/{kept[int(head) - supplied].code}"
    return at


def _told(case: Case, materials: list[HandedIn]) -> Iterator[Fault]:
    """Find what was asked for and has not come: it was told once, and completely."""
    told = notices(case.row, case.desk.keys).get("correction", {}).get("reasons", [])
    codes = {item.code for item in materials}
    for code in sorted({reason.get("material") for reason in told} - {None} - codes):
        words = Words("一次性告知要求补正的材料未补交", "what was asked for has not come")
        yield Fault(f"/materials/{code}", "required", words)
    asked = any(r["code"] == FORM_LACKS and r.get("material") is None for r in told)
    if asked and case.body.form is None:
        yield Fault("/form", "required", Words("须补正申请表", "the form is to be completed"))


def _moved_away(case: Case, form: dict[str, Any]) -> Iterator[Fault]:
    """Find a form that leads to another agency: that is another application."""
    desk, row = case.desk, case.row
    county = desk.registry.outlet(row.outlet).county
    routed = route(desk.routing, case.laid_guide, form, county, case.day)
    if routed.fault is not None:
        yield routed.fault
    elif routed.agency is not None and routed.agency.code != row.agency:
        words = Words(
            "补正不得改变经办机构，请撤回后重新申请", "it would be another agency's: hand in anew"
        )
        yield Fault("/form", "agency", words)


def _promised(case: Case, materials: list[HandedIn]) -> Iterator[Fault]:
    """Find what was not promised, and promises in the place of what was."""
    awaited = outstanding(case.row)
    if case.body.form is not None:
        yield Fault("/form", "unexpected", Words("受理后不可改表", "it was accepted with its form"))
    for index, item in enumerate(materials):
        if item.code not in awaited:
            words = Words("该材料不在容缺承诺之列", "it was not promised")
            yield Fault(f"/materials/{index}/code", "unexpected", words)
        elif item.promised_by is not None:
            words = Words("不能再次承诺", "what was promised is not promised again")
            yield Fault(f"/materials/{index}/promised_by", "unexpected", words)


def _extension(case: Case) -> Iterator[Fault]:
    """Find an extension that is too long, or beyond the law where the guide names no basis for it."""
    days, row = case.body.working_days, case.row
    if days is None:
        return
    if days > EXTENDED_AT_MOST:
        words = Words(f"延期不得超过{EXTENDED_AT_MOST}个工作日", f"{EXTENDED_AT_MOST} days at most")
        yield Fault("/working_days", "range", words)
    moved = Moved(row.corrected_days, row.suspended_days, days, row.supplied_at)
    workdays = case.desk.calendar.workdays
    then = due(case.laid_guide.guide, workdays, row.received_at, row.accepted_at, moved)
    if then.legal_due_on and then.promised_due_on and then.promised_due_on > then.legal_due_on:
        words = Words(
            "指南未载明延期依据，延期不得超过法定时限", "without a basis not beyond the legal limit"
        )
        yield Fault("/working_days", "legal-limit", words)


def _transfer(case: Case) -> Iterator[Fault]:
    """Find an agency that is not there, is this one, or is of another level than the step asks for."""
    wanted = case.body.agency
    if wanted is None:
        return
    agency = case.desk.agencies.by_code.get(wanted)
    guide: CompiledGuide = case.laid_guide
    if agency is None:
        yield Fault("/agency", "unknown", NO_AGENCY)
    elif wanted == case.row.agency:
        yield Fault("/agency", "same", Words("已在该机构办理", "it is with that agency already"))
    elif agency.level != guide.guide.steps[case.row.step - 1].level:
        words = Words("该层级机构不办理此环节", "the step is not done at that level")
        yield Fault("/agency", "level", words)


CHECKS: dict[Action, Callable[[Case], Iterator[Fault]]] = {
    Action.ACCEPT_TOLERANT: _tolerance,
    Action.ACCEPT_COMMITMENT: _commitment,
    Action.ASK_CORRECTION: _correction,
    Action.SUPPLY: _supplied,
    Action.EXTEND: _extension,
    Action.TRANSFER: _transfer,
    Action.DELIVER: _delivery,
    Action.GRANT: _granted,
}
