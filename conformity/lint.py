"""Rules that a guide must keep to be published (domain notes 2.6): each with a code, a place and words.

A rule is a function that walks a guide and yields what breaks it; `LINT` lists them all.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from conformity import forms
from conformity.findings import Class, Finding, pointer
from kit.errors import Words
from schemas.codes import landline_holds, mobile_holds
from schemas.guides import ArchiveDeed, Basis, Exemption, GuideContent, Material, Necessity

WORDS = {
    "condition-lists-material": Words(
        "受理条件不得罗列申请材料", "conditions must not list materials"
    ),
    "condition-proof-missing": Words(
        "受理条件要求的证明不在申请材料之中", "a proof that a condition asks for is not among the materials"
    ),
    "instant-too-long": Words("即办件的承诺时限超过1个工作日", "done at once, promised in more"),
    "instant-words": Words(
        "写明当场或即时办结，而承诺时限超过1个工作日", "says it is done at once, promises more than a day"
    ),
    "survey-too-short": Words("含现场勘查而时限不足5个工作日", "a survey on site within less than five days"),
    "in-person-and-agent": Words(
        "既要求本人到场，又允许代办", "asks for the person in person, and lets an agent come"
    ),
    "visits-and-online": Words(
        "到场次数为0，却要求本人到场", "no visit is needed, and the person must come"
    ),
    "age-and-guardian": Words(
        "限定成年人申请，又写监护人可以代为申请", "adults only, and guardians may apply"
    ),
    "limits-do-not-add-up": Words("各环节时限之和不等于承诺时限", "limits do not add up to the promise"),
    "flow-part-missing": Words(
        "办理流程须含受理、审核、决定（审批）、办结、送达", "the flow lacks one of its five parts"
    ),
    "promise-longer-than-law": Words("承诺时限长于法定时限", "the promise is longer than the law allows"),
    "limit-starts": Words(
        "法定时限自收到申请起算，承诺时限自受理起算", "legal limits run from receipt, promises from acceptance"
    ),
    "phone-form": Words("电话号码格式不对", "is no telephone number"),
    "tolerant-mark": Words("容缺标记与材料必要性不一致", "tolerance and necessity contradict"),
    "commitment-mark": Words(
        "告知承诺不适用于申请表或容缺材料", "a commitment can't stand for a form, or for what may follow"
    ),
    "charged": Words("社会保险经办服务不收费", "social insurance charges nothing"),
    "material-without-basis": Words("材料缺少法律依据", "a material has no legal basis"),
    "shared-without-exemption": Words(
        "政府部门核发的材料须有免提交方式", "what the government has is exempt in some way"
    ),
    "copy-of-identity": Words("不得要求身份证件复印件", "copies of identity papers can't be asked for"),
    "too-many-materials": Words("申请材料不得超过100项", "a guide asks for 100 materials at most"),
    "material-twice": Words("材料编码重复", "two materials share a code"),
    "situation-unknown": Words("材料指向不存在的情形", "a material points to a situation that is not there"),
    "situation-twice": Words("情形选项编码重复", "two options share a code"),
    "situation-required": Words(
        "只在某情形下需要的材料不能对所有人必要", "a material of one situation can't be required of all"
    ),
    "code-composition": Words("基本编码与事项类型不符", "the base code does not name the matter's type"),
    "routing-field-missing": Words(
        "申请表没有确定办理机构的必填栏目", "the form does not ask for the place that decides who handles it"
    ),
    "step-continues-later": Words(
        "延续环节须是之前的环节", "a step can only continue an earlier one"
    ),
    "letter-goes-nowhere": Words("最后环节之后没有机构收函", "no agency follows that a letter could go to"),
    "archive-field-missing": Words(
        "档案变动所依据的栏目不在申请表中，或者借阅没有天数",
        "a move of an archive rests on no field, or a loan has no end",
    ),
    "last-step-decides": Words("最后环节须可作出决定", "the last step must be able to decide"),
    "other-department": Words("医疗、生育保险不属于人社部门", "health insurance belongs to another department"),
    "calls-customer": Words("应称申请人，不称客户", "people are applicants, not customers"),
    "natural-days": Words("时限按工作日计，不用自然日", "limits are in working days"),
}  # fmt: skip

PROOF = re.compile(
    r"(?:提供|提交|出具|出示|携带|凭)[^，。；、]{0,12}?([一-鿿]{2,12}(?:证明|证书|申请表|登记表|凭证|合同|通知书))"
)
AT_ONCE = re.compile(r"当场办结|即时办结|当场办理|即办")
SURVEY = re.compile(r"现场(?:勘|踏|核查|核验|调查)")
IN_PERSON = re.compile(
    r"(?:必须|须|应当)由?(?:申请人|参保人)?本人(?:亲自)?(?:到场|到窗口|前往|办理)|不得(?:委托|代办)"
)
AGENT = re.compile(r"(?:可以?|允许|支持)(?:由他人)?(?:委托|代办|代为)")
ADULT = re.compile(r"(?:年满|满)(?:1[6-9]|[2-9][0-9])周?岁")
GUARDIAN = re.compile(r"监护人(?:可以?|代)")
NOT_OURS = re.compile(r"医疗保险|医保|生育保险|生育津贴")
BASIS_NAMED = re.compile(r"《.+》|号")
IDENTITY = re.compile(r"身份证|社会保障卡")
PARTS = ("受理", "审核", "审批|决定", "办结", "送达")
SHORT_NUMBER = re.compile(
    r"(?:1[0-9]{4}|[48]00-?[0-9]{3}-?[0-9]{4}|[48]00[0-9]-?[0-9]{3}-?[0-9]{3})", re.ASCII
)
SURVEY_DAYS = 5
MATERIALS = 100
"""The guides that ship ask for less than a tenth of it; the printed guide is set while somebody waits."""

SHORTEST_NAME = 4
"""Characters from which on a material's name in a condition is no chance."""

Rule = Callable[[GuideContent], Iterator[Finding]]


def check(guide: GuideContent) -> list[Finding]:
    """Find everything that breaks a rule, errors first."""
    found = [finding for rule in LINT for finding in rule(guide)] + forms.check(guide.form_schema)
    return sorted(found, key=lambda finding: finding.level is not Class.ERROR)


def _error(code: str, *path: Any) -> Finding:
    return Finding(code, pointer(*path), Class.ERROR, WORDS[code])


def _warning(code: str, *path: Any) -> Finding:
    return Finding(code, pointer(*path), Class.WARNING, WORDS[code])


def _each(guide: GuideContent, broken: Callable[[Material], bool]) -> Iterator[int]:
    return (at for at, material in enumerate(guide.materials) if broken(material))


def _texts(guide: GuideContent) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Walk the texts that tell people what to do, with their places."""
    yield ("summary",), guide.summary
    yield ("visit_reason",), guide.visit_reason
    yield ("promised_limit", "note"), guide.promised_limit.note
    for at, text in enumerate(guide.accept_conditions):
        yield ("accept_conditions", at), text
    for at, step in enumerate(guide.flow):
        yield ("flow", at, "standard"), step.standard
        yield ("flow", at, "result"), step.result


def conditions(guide: GuideContent) -> Iterator[Finding]:
    """1. Conditions list no materials, and name no proof that is not asked for."""
    names = [m.name for m in guide.materials]
    for at, text in enumerate(guide.accept_conditions):
        if any(len(name) >= SHORTEST_NAME and name in text for name in names):
            yield _error("condition-lists-material", "accept_conditions", at)
        for proof in PROOF.findall(text):
            if not any(proof in name or name in proof for name in names):
                yield _error("condition-proof-missing", "accept_conditions", at)


def at_once(guide: GuideContent) -> Iterator[Finding]:
    """2. What is done at once is promised within a day."""
    if guide.promised_limit.value <= 1:
        return
    if guide.case_kind == "1":
        yield _error("instant-too-long", "promised_limit", "value")
    for path, text in _texts(guide):
        if AT_ONCE.search(text):
            yield _error("instant-words", *path)


def survey(guide: GuideContent) -> Iterator[Finding]:
    """3. A survey on site takes its time."""
    for at, step in enumerate(guide.flow):
        on_site = SURVEY.search(f"{step.name} {step.standard}")
        if on_site and guide.promised_limit.value < SURVEY_DAYS:
            yield _warning("survey-too-short", "flow", at)


def in_person(guide: GuideContent) -> Iterator[Finding]:
    """4. Who must come in person can't send an agent; an adult has no guardian."""
    texts = list(_texts(guide))
    agent = next((path for path, text in texts if AGENT.search(text)), None)
    guardian = next((path for path, text in texts if GUARDIAN.search(text)), None)
    for path, text in texts:
        if IN_PERSON.search(text):
            if agent is not None:
                yield _error("in-person-and-agent", *path)
            if guide.visits_required == 0:
                yield _warning("visits-and-online", *path)
        if path[0] == "accept_conditions" and guardian is not None and ADULT.search(text):
            yield _warning("age-and-guardian", *path)


def adding_up(guide: GuideContent) -> Iterator[Finding]:
    """5. The limits of the steps add up to the promise."""
    for name, parts in (("flow", guide.flow), ("steps", guide.steps)):
        if sum(part.limit for part in parts) != guide.promised_limit.value:
            yield _error("limits-do-not-add-up", name)


def flow(guide: GuideContent) -> Iterator[Finding]:
    """6. The flow has its five parts."""
    names = " ".join(step.name for step in guide.flow)
    if not all(re.search(part, names) for part in PARTS):
        yield _error("flow-part-missing", "flow")


def promise(guide: GuideContent) -> Iterator[Finding]:
    """7. No promise is longer than the law, and each clock starts where it does."""
    legal, promised = guide.legal_limit, guide.promised_limit
    if legal is not None and promised.value > legal.value:
        yield _error("promise-longer-than-law", "promised_limit", "value")
    if legal is not None and legal.starts != "received":
        yield _error("limit-starts", "legal_limit", "starts")
    if promised.starts != "accepted":
        yield _warning("limit-starts", "promised_limit", "starts")
    if "自然日" in promised.note + (legal.note if legal else ""):
        yield _warning("natural-days", "promised_limit", "note")


def phones(guide: GuideContent) -> Iterator[Finding]:
    """8. Telephone numbers are numbers that can be dialled."""
    for name in ("consult_phone", "supervise_phone"):
        if not phone_holds(getattr(guide, name)):
            yield _error("phone-form", name)


def phone_holds(number: str) -> bool:
    """Tell whether it can be dialled: a landline, a mobile, a short number, a 400 or 800 number."""
    plain = SHORT_NUMBER.fullmatch(number) is not None
    return plain or landline_holds(number) or mobile_holds(number)


def marks(guide: GuideContent) -> Iterator[Finding]:
    """9. Marks of tolerance and commitment agree with the necessity of the materials."""
    may_follow = any(m.necessity is Necessity.TOLERABLE for m in guide.materials)
    if may_follow != guide.tolerant_acceptance:
        yield _error("tolerant-mark", "tolerant_acceptance")
    for at in _each(guide, lambda m: Exemption.COMMITMENT in m.exemptions):
        material = guide.materials[at]
        if material.necessity is Necessity.TOLERABLE or material.material_type == "form":
            yield _error("commitment-mark", "materials", at, "exemptions")


def money(guide: GuideContent) -> Iterator[Finding]:
    """10. Nothing is charged."""
    if guide.is_charged:
        yield _error("charged", "is_charged")
    if guide.fee_items:
        yield _error("charged", "fee_items")


def bases(guide: GuideContent) -> Iterator[Finding]:
    """11. Every material rests on a law or a document."""
    for at in _each(guide, lambda m: not BASIS_NAMED.search(m.legal_basis)):
        yield _error("material-without-basis", "materials", at, "legal_basis")


def sharing(guide: GuideContent) -> Iterator[Finding]:
    """12. What the government has need not be brought, and no identity paper is copied."""
    for at in _each(guide, lambda m: m.source == "government" and not m.exemptions):
        yield _error("shared-without-exemption", "materials", at, "exemptions")
    for at in _each(guide, lambda m: m.copy_count > 0 and bool(IDENTITY.search(m.name))):
        yield _error("copy-of-identity", "materials", at, "copy_count")


def number_of_materials(guide: GuideContent) -> Iterator[Finding]:
    """No guide asks for more than can be shown."""
    if len(guide.materials) > MATERIALS:
        yield _error("too-many-materials", "materials")


def situations(guide: GuideContent) -> Iterator[Finding]:
    """Materials are named once, and point to situations that are there."""
    options = [option.code for situation in guide.situations for option in situation.options]
    known = set(options)
    seen: set[str] = set()
    for at, material in enumerate(guide.materials):
        if material.code in seen:
            yield _error("material-twice", "materials", at, "code")
        seen.add(material.code)
        if not set(material.situations) <= known:
            yield _error("situation-unknown", "materials", at, "situations")
        if material.situations and material.necessity is not Necessity.OPTIONAL:
            yield _error("situation-required", "materials", at, "necessity")
    if len(known) < len(options):
        yield _error("situation-twice", "situations")


def codes(guide: GuideContent) -> Iterator[Finding]:
    """The base code names the type of the matter (GB/T 39554)."""
    if guide.base_code[2:4] != guide.matter_type:
        yield _error("code-composition", "base_code")


def routing(guide: GuideContent) -> Iterator[Finding]:
    """The form asks for the place by which the agency of a step is found."""
    properties = guide.form_schema.get("properties")
    required = guide.form_schema.get("required")
    asked = {
        part.get("x-routing")
        for name, part in (properties.items() if isinstance(properties, dict) else ())
        if isinstance(part, dict) and isinstance(required, list) and name in required
        if isinstance(part.get("x-routing"), str)
    }
    fields = set(properties) if isinstance(properties, dict) else set()
    needed = set(required) if isinstance(required, list) else set()
    for at, step in enumerate(guide.steps):
        if step.basis is Basis.FORM_FIELD:
            known = fields & needed if at == 0 else fields  # A later step may stay where it is.
            if step.field not in known:
                yield _error("routing-field-missing", "steps", at, "field")
        elif step.basis is not Basis.OUTLET and step.basis not in asked:
            yield _error("routing-field-missing", "steps", at, "basis")


def order_of_steps(guide: GuideContent) -> Iterator[Finding]:
    """A step goes on with an earlier one; what ends a procedure may deny."""
    for at, step in enumerate(guide.steps):
        if step.continues is not None and step.continues > at:
            yield _error("step-continues-later", "steps", at, "continues")
        if step.letter and at == len(guide.steps) - 1:
            yield _error("letter-goes-nowhere", "steps", at, "letter")
    if not guide.steps[-1].decides:
        yield _error("last-step-decides", "steps", len(guide.steps) - 1, "decides")


def archives(guide: GuideContent) -> Iterator[Finding]:
    """What is done with an archive rests on fields of the form; a loan has an end."""
    properties = guide.form_schema.get("properties")
    asked = set(properties) if isinstance(properties, dict) else set()
    for at, step in enumerate(guide.steps):
        for nth, move in enumerate(step.archive):
            named = {*move.when, *([move.days] if move.days else [])}
            endless = move.deed is ArchiveDeed.LEND and move.days is None
            if not named <= asked or endless:
                yield _error("archive-field-missing", "steps", at, "archive", nth)


def manners(guide: GuideContent) -> Iterator[Finding]:
    """What a reader from the trade would spot at once."""
    if NOT_OURS.search(f"{guide.name} {guide.short_name}"):
        yield _warning("other-department", "name")
    for path, text in _texts(guide):
        if "客户" in text:
            yield _warning("calls-customer", *path)


LINT: tuple[Rule, ...] = (
    conditions, at_once, survey, in_person, adding_up, flow, promise, phones, marks, money, bases,
    sharing, number_of_materials, situations, codes, routing, order_of_steps, archives, manners,
)  # fmt: skip
