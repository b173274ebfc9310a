"""From what happened to the words of a paper. What is personal is marked, so that a copy can be masked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, TypeAlias

from applications import draft
from applications.desk import Desk
from applications.models import Application
from documents import words
from events.models import Event
from kit.clock import day_of
from matters.compiled import CompiledGuide
from schemas import masking
from schemas.guides import Delegation

Span: TypeAlias = str | list[str]
"""Words; or `[kind, words]` that only the applicant is to read."""

MASKS: Mapping[str, Callable[[str], str]] = {
    "name": masking.name, "words": lambda _: "***", "number": masking.anything,
}  # fmt: skip
NAME_KIND, WORDS_KIND, NUMBER_KIND = MASKS


class Issue(NamedTuple):
    """A paper that is to be issued, and all that it may tell of."""

    code: str
    nth: int
    event: Event
    said: Mapping[str, Any]
    """The words of the action."""
    before: "Issue | None"
    """What was proposed, of a suspension; the decision, of its delivery."""
    materials: Sequence[Mapping[str, Any]]
    """What had been handed in by then."""
    row: Application
    applicant: str
    guide: CompiledGuide
    desk: Desk

    @property
    def facts(self) -> Mapping[str, Any]:
        """Codes and days of the event."""
        return self.event.facts

    @property
    def number(self) -> str:
        """Its own number (文号): of the application, the paper, and which of its kind."""
        return f"{self.row.number}-{self.code}-{self.nth}"

    def material(self, code: str) -> str:
        """Name a material."""
        known = self.guide.materials.get(code)
        return known.name if known else code


def content(issue: Issue) -> dict[str, Any]:
    """Gather all that a paper says."""
    agency = issue.desk.agencies.by_code.get(issue.event.agency)
    return {
        "code": issue.code,
        "title": words.TITLES[issue.code],
        "number": issue.number,
        "application": issue.row.number,
        "matter": issue.guide.guide.name,
        "applicant": [NAME_KIND, issue.applicant],
        "agency": agency.name if agency else issue.event.agency,
        "on_behalf": _on_behalf(issue),
        "date": said_day(day_of(issue.event.at)),
        "day": [*day_of(issue.event.at).timetuple()[:3]],
        "phone": issue.guide.guide.consult_phone,
        "is_sample": issue.guide.guide.is_sample,
        "remedy": issue.guide.guide.remedy if issue.code in ("NGA", "NST") else "",
        **{"body": [], "items": [], "fields": [], "list": [], "sign": "", **MORE[issue.code](issue)},
    }  # fmt: skip


def said_day(day: date | datetime | str) -> str:
    """Write a day as papers do."""
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return f"{day.year}年{day.month}月{day.day}日"


def _on_behalf(issue: Issue) -> str:
    """Say which outlet issued it in the agency's name, and as what: entrusted, or a mere collector."""
    if issue.event.actor_role != "teller":
        return ""
    outlet = issue.desk.registry.outlets.get(issue.event.outlet)
    if outlet is None:
        return ""
    bank = issue.desk.registry.banks.get(outlet.bank, "")
    name = outlet.name if outlet.name.startswith(bank) else bank + outlet.name
    entrusted = issue.guide.guide.outlet.delegation >= Delegation.D2
    return f"由{name}{'代为出具' if entrusted else '代收'}"


def _core(issue: Issue, **more: Span) -> list[Span]:
    """Fill in the wording; what is personal stays apart."""
    values: dict[str, Span] = {
        "matter": issue.guide.guide.name,
        "received": said_day(day_of(issue.row.received_at)),
        "accept": str(issue.guide.guide.accept_limit),
        "promised": str(issue.guide.guide.promised_limit.value),
        **more,
    }
    return filled(words.CORE[issue.code], values)


def filled(template: str, values: Mapping[str, Span]) -> list[Span]:
    """Put values where a template names them, each a span of its own."""
    spans: list[Span] = []
    for part in template.split("{"):
        name, brace, rest = part.partition("}")
        spans += [values[name], rest] if brace else [part]
    return [span for span in spans if span != ""]


def _receipt(issue: Issue) -> dict[str, Any]:
    return {"body": [_core(issue)], "list": [_line(issue, item) for item in issue.materials]}


def _line(issue: Issue, item: Mapping[str, Any]) -> list[str]:
    """Write a line of the list of materials: what, and how it was handed in."""
    by = item.get("promised_by")
    shown = words.EXEMPTIONS.get(item.get("exemption") or "", "已提交")
    return [issue.material(item["code"]), f"承诺于{said_day(by)}前补齐" if by else shown]


def _acceptance(issue: Issue) -> dict[str, Any]:
    due = issue.facts.get("promised_due_on")
    body = [_core(issue, due=said_day(due or issue.row.promised_due_on or issue.event.at))]
    if deemed := issue.facts.get("accepted_on"):
        body.append([words.DEEMED.format(accepted=said_day(deemed))])
    return {"body": body}


def _correction(issue: Issue) -> dict[str, Any]:
    texts = issue.said.get("reasons") or []
    told = issue.facts.get("reasons", ())
    items = [_told(issue, n, one, texts) for n, one in enumerate(told)]
    spread: list[Span] = [span for item in items for span in item]
    spread[-1:] = ["。"]  # The last of them ends the sentence.
    core = _core(issue, items="\0", by=said_day(issue.facts["by"]))
    body = [span for one in core for span in (spread if one == "\0" else [one])]
    return {"body": [body]}


def _told(issue: Issue, n: int, one: Mapping[str, Any], texts: Sequence[str]) -> list[Span]:
    about = f"《{issue.material(one['material'])}》" if one.get("material") else ""
    head = f"{n + 1}.{about}{words.REASONS.get(one['code'], one['code'])}"
    text = texts[n].rstrip("。；;. ") if n < len(texts) else ""
    return [f"{head}：", [WORDS_KIND, text], "；"] if text else [head, "；"]


def _basis(issue: Issue) -> Span:
    """Give the provision: as it was said, else the first that the guide names."""
    if issue.said.get("basis"):
        return [WORDS_KIND, issue.said["basis"]]
    basis = issue.guide.guide.legal_bases[0]
    law = basis.law if basis.law.startswith("《") else f"《{basis.law}》"
    return f"{law}{basis.article}"


def _refusal(issue: Issue) -> dict[str, Any]:
    reason = words.REASONS.get(issue.facts.get("reason", ""), "不符合受理条件")
    body = [_core(issue, reason=reason, basis=_basis(issue))]
    right = issue.desk.agencies.by_code.get(issue.facts.get("right_agency") or "")
    if right is not None:
        body.append([words.ELSEWHERE.format(agency=right.name, phone=right.phone)])
    text = issue.said.get("text")
    return {"body": body, "fields": [["说明", [[WORDS_KIND, text]]]] if text else []}


def _tolerance(issue: Issue) -> dict[str, Any]:
    owed = [item for item in _promises(issue) if item.get("promised_by")]
    missing = "；".join(
        words.PROMISED.format(name=issue.material(item["code"]), day=said_day(item["promised_by"]))
        for item in owed
    )
    return {"body": [_core(issue, missing=missing)], "sign": "承诺人（签字）"}


def _promises(issue: Issue) -> Iterable[Mapping[str, Any]]:
    """List what was promised, at the counter or with the acceptance."""
    named = {item["code"]: item for item in issue.materials}
    return (named | {item["code"]: item for item in issue.facts.get("missing", ())}).values()


def _commitment(issue: Issue) -> dict[str, Any]:
    codes = [i["code"] for i in issue.materials if i.get("exemption") == "commitment"]
    codes += [code for code in issue.facts.get("committed", ()) if code not in codes]
    fields: list[Any] = []
    for code in codes:
        known = issue.guide.materials.get(code)
        fields.append(["证明名称", [issue.material(code)]])
        fields.append(["设定依据", [known.legal_basis if known else ""]])
    fields += [[label, [text]] for label, text in words.COMMITMENT]
    fields.append(["承诺内容", [words.COMMITTED]])
    return {"body": [_core(issue)], "fields": fields, "sign": "承诺人（签字）"}


def _special(issue: Issue) -> dict[str, Any]:
    proposed = issue.before
    facts = {**(proposed.facts if proposed else {}), **issue.facts}
    days = facts.get("working_days")
    core = _core(
        issue,
        procedure=words.PROCEDURES.get(facts.get("procedure", ""), "特别程序"),
        time=f"所需时间{days}个工作日" if days else "所需时间",
    )
    basis = proposed.said.get("basis") if proposed else None
    return {"body": [core], "fields": [["依据", [[WORDS_KIND, basis]]]] if basis else []}


def _extension(issue: Issue) -> dict[str, Any]:
    reason = str(issue.said.get("reason", "")).rstrip("。；;. ")
    core = _core(issue, days=str(issue.facts.get("working_days", "")), reason=[WORDS_KIND, reason])
    due = issue.facts.get("promised_due_on")
    return {"body": [core, *([[words.DUE_NOW.format(due=said_day(due))]] if due else [])]}


def _completion(issue: Issue) -> dict[str, Any]:
    guide = issue.guide.guide
    number = issue.said.get("result_number")
    ways = "、".join(words.WAYS[way] for way in guide.delivery_ways)
    fields: list[Any] = [["办理结果", [f"准予（{guide.result.name}）"]], ["领取方式", [ways]]]
    if number:
        fields.insert(1, ["结果编号", [[NUMBER_KIND, str(number)]]])
    return {"body": [_core(issue)], "fields": fields}


def _denial(issue: Issue) -> dict[str, Any]:
    reason = words.REASONS.get(issue.facts.get("reason", ""), "不符合办理条件")
    facts = [WORDS_KIND, str(issue.said.get("opinion", "")).rstrip("。；;. ")]
    return {"body": [_core(issue, facts=facts, reason=reason, basis=_basis(issue))]}


def _delivery(issue: Issue) -> dict[str, Any]:
    decided = issue.before
    fields: list[Any] = [
        ["受送达人", [[NAME_KIND, str(issue.said.get("received_by", ""))]]],
        ["送达方式", [words.WAYS.get(issue.facts.get("way", ""), "")]],
        ["送达日期", [said_day(day_of(issue.event.at))]],
    ]
    if decided is not None:
        fields.insert(0, ["送达文书", [f"{words.TITLES[decided.code]}（{decided.number}）"]])
    return {"body": [_core(issue)], "fields": fields, "sign": "受送达人（签收）"}


def _supplement(issue: Issue) -> dict[str, Any]:
    codes = issue.facts.get("materials", ())
    lines = [[issue.material(code), "已补交"] for code in codes]
    if issue.facts.get("form"):
        lines.append(["申请表", "已补正"])
    return {"body": [_core(issue)], "list": lines}


def _person(issue: Issue) -> Span:
    """Name whom an application is about."""
    row = issue.row
    plain = draft.opened(issue.desk.keys, row.number, row.sealed)
    return [NAME_KIND, (plain["subject"] or plain["applicant"])["name"]]


def _agency(issue: Issue, code: str) -> str:
    known = issue.desk.agencies.by_code.get(code)
    return known.name if known else code


def _sent(issue: Issue) -> dict[str, Any]:
    fields = [
        ["通知单编号", [issue.facts.get("letter") or issue.number]],
        ["转出机构", [_agency(issue, issue.event.agency)]],
        ["接收机构", [_agency(issue, issue.facts["now_at"])]],
    ]
    return {"body": [_core(issue, person=_person(issue))], "fields": fields}


def _arrived(issue: Issue) -> dict[str, Any]:
    sender = issue.facts["had_by"]
    ours = sender != issue.event.agency
    return {
        "body": [
            _core(
                issue, person=_person(issue), from_=_agency(issue, sender) if ours else "外地机构"
            )
        ]
    }


def _certificate(issue: Issue) -> dict[str, Any]:
    """Certify since when it is kept, and what the decision says that the archive records."""
    told = issue.before.said.get("opinion") if issue.before else None
    body = _core(issue, person=_person(issue), since=said_day(issue.facts["kept_since"]))
    return {"body": [body], "fields": [["档案记载", [[WORDS_KIND, told]]]] if told else []}


def _shown_to(issue: Issue) -> dict[str, Any]:
    due = issue.facts.get("due_on")
    body = _core(issue, person=_person(issue), unit=[NAME_KIND, issue.applicant])
    return {"body": [body], "fields": [["归还日期", [said_day(due)]]] if due else []}


MORE: Mapping[str, Callable[[Issue], dict[str, Any]]] = {
    "REC": _receipt, "ACP": _acceptance, "SGZ": _correction, "NGA": _refusal, "TOL": _tolerance,
    "COM": _commitment, "SPE": _special, "EXT": _extension, "STL": _completion, "NST": _denial,
    "RCH": _delivery, "SUP": _supplement, "DAZ": _sent, "DAH": _arrived, "DAM": _certificate,
    "DAJ": _shown_to,
}  # fmt: skip


def shown(paper: Mapping[str, Any], *, masked: bool) -> dict[str, Any]:
    """Give the words as they are printed: in full, or with what is personal masked."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(item) for name, item in value.items()}
        if not isinstance(value, list):
            return value
        if len(value) == 2 and isinstance(value[0], str) and value[0] in MASKS:
            return MASKS[value[0]](value[1]) if masked else value[1]
        return [plain(item) for item in value]

    found: dict[str, Any] = plain(dict(paper))
    return found | {
        "body": ["".join(part) for part in found["body"]],
        "fields": [[label, "".join(part)] for label, part in found["fields"]],
        "masked": masked,
    }
