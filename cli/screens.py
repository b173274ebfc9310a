"""What the terminal shows: guides, applications and receipts as pages of a text screen, in Chinese."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import segno
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from client import Receipt, Report, Waiting
from client.errors import (
    AwayTooLong,
    ClockBehind,
    GuideUnknown,
    NotWaiting,
    NumbersUsedUp,
    QueueFull,
    StoreBusy,
    StoreError,
    Unsettled,
    WrongKey,
)
from schemas.applications import ApplicationDetail, ApplicationView
from schemas.checks import EXEMPTION_NAMES
from schemas.events import EventView
from schemas.guides import GuideView, Limit, Material, Necessity
from schemas.problems import ProblemFault

NECESSITY = {
    Necessity.REQUIRED: Text("必交", "bold red"), Necessity.TOLERABLE: Text("可容缺", "yellow"),
    Necessity.OPTIONAL: Text("选交", "dim"),
}  # fmt: skip
DELEGATION = {
    "D0": "仅咨询", "D1": "帮办代收", "D2": "委托受理", "D3": "委托办结",
}  # fmt: skip
CASE = {"1": "即办件", "2": "承诺件", "9": "其他"}
STATES = {
    "received": "已收件", "correction": "待补正", "accepted": "已受理", "in_review": "审核中",
    "in_second_review": "复核中", "in_approval": "审批中", "suspended": "中止", "completed": "已办结",
    "delivered": "已送达", "archived": "已归档", "refused": "不予受理", "returned": "已退件",
    "withdrawn": "已撤回", "voided": "已作废",
}  # fmt: skip
WAITING = {
    "waiting": Text("待提交", "cyan"), "sending": Text("已发出，待确认", "yellow"),
    "review": Text("指南有更新，待核对", "bold yellow"), "refused": Text("被退回，待处理", "bold red"),
    "sent": Text("已提交", "green"), "dropped": Text("已放弃", "dim"),
}  # fmt: skip
LIGHTS = {
    "green": Text("● 正常", "green"), "yellow": Text("● 临期", "yellow"), "red": Text("● 紧急", "red"),
    "overdue": Text("● 超期", "bold white on red"), "none": Text("○"),
}  # fmt: skip
EVENTS = {
    "received": "收件", "accepted": "受理", "deemed_accepted": "视为受理", "correction_asked": "一次性告知补正",
    "supplied": "补正提交", "returned": "退件", "refused": "不予受理", "taken": "签收", "claimed": "签收",
    "suspended": "中止", "resumed": "恢复", "passed": "审核通过", "sent_back": "退回", "transferred": "转办",
    "extended": "延期", "granted": "准予", "denied": "不予", "completed": "办结", "delivered": "送达",
    "archived": "归档", "withdrawn": "撤回", "voided": "作废", "released": "释放", "unrouted": "待指定机构",
    "machine_check_failed": "系统核验未通过",
}  # fmt: skip
ROLES = {
    "teller": "柜员", "reviewer": "审核人员", "second_reviewer": "复核人员", "approver": "审批人员",
    "acceptance_officer": "受理人员", "outlet_manager": "网点负责人", "system": "系统",
}  # fmt: skip
OUTCOMES = {"granted": "准予", "denied": "不予"}
FACTS = {"supply": "补交材料", "deliver": "送达", "withdraw": "撤回"}


def _limit(limit: Limit | None) -> str:
    if limit is None:
        return "无规定"
    begin = "收件" if limit.starts == "received" else "受理"
    return f"{limit.value} 个工作日（自{begin}起）"


def pairs(rows: Iterable[tuple[str, RenderableType | None]]) -> Table:
    """Two columns: names and what they are; what is not there is left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value not in (None, ""):
            table.add_row(name, value)
    return table


def listing(*columns: str) -> Table:
    """A table with a head."""
    table = Table(
        box=None, pad_edge=False, header_style="bold", row_styles=["", "dim"], padding=(0, 2, 0, 0)
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def section(title: str, *content: RenderableType) -> RenderableType:
    """A part of a page, under its title."""
    return Group(Text(f"\n▎{title}", "bold magenta"), *content)


def lines(texts: Iterable[str]) -> Text:
    """Numbered lines."""
    return Text("\n".join(f"{nth}. {text}" for nth, text in enumerate(texts, 1)))


def guide_page(guide: GuideView) -> RenderableType:
    """The 产品说明书 of a matter as one page."""
    facts = pairs([
        ("事项编码", guide.matter),
        ("办件类型", f"{CASE[guide.case_kind]} · {DELEGATION[guide.outlet_delegation]}"),
        ("法定时限", _limit(guide.legal_limit)),
        ("承诺时限", Text(_limit(guide.promised_limit), "bold green")),
        ("到现场次数", f"{guide.visits_required} 次"),
        ("收费", "不收费"),
        ("办理机构", guide.agency_name),
        ("咨询电话", f"{guide.consult_phone}    监督 {guide.supervise_phone}"),
    ])  # fmt: skip
    parts: list[RenderableType] = [
        Text(guide.summary), Text(), facts,
        section("受理条件", lines(guide.accept_conditions)),
        section("申请材料", materials_table(guide.materials)),
        section("办理流程", flow_table(guide)),
        section("设定依据", lines(f"《{b.law}》{b.article}" for b in guide.legal_bases)),
    ]  # fmt: skip
    if guide.faqs:
        parts.append(
            section("常见问题", *(Text(f"问：{q.question}\n答：{q.answer}\n") for q in guide.faqs))
        )
    sample = "[red]样例指南，不得作为办事依据[/red]" if guide.is_sample else ""
    foot = f"第 {guide.version} 版 · {guide.effective_from} 起施行 {sample}"
    return Panel(
        Group(*parts), title=f"[bold]{guide.name}[/bold]", subtitle=foot, border_style="cyan", padding=(1, 2)
    )  # fmt: skip


def materials_table(materials: Sequence[Material]) -> Table:
    """Materials, and in which ways one need not be handed in."""
    table = listing("材料", "要求", "免提交方式", "份数")
    for one in materials:
        ways = "、".join(EXEMPTION_NAMES[way] for way in one.exemptions) or "—"
        copies = f"原件{one.original_count}" + (
            f" 复印件{one.copy_count}" if one.copy_count else ""
        )
        table.add_row(one.name, NECESSITY[one.necessity], ways, copies)
    return table


def flow_table(guide: GuideView) -> Table:
    """What happens, by whom, in how many days."""
    table = listing("环节", "办理人员", "时限", "结果")
    for step in guide.flow:
        table.add_row(
            step.name, step.actor, f"{step.limit} 日" if step.limit else "当场", step.result
        )
    return table


def guides_table(guides: Iterable[tuple[str, str, str, str]]) -> Table:
    """Matters that were found, numbered."""
    table = listing("", "事项", "编码", "网点权限", "承诺时限")
    for nth, (name, code, delegation, limit) in enumerate(guides, 1):
        table.add_row(str(nth), name, code, DELEGATION.get(delegation, "—"), limit)
    return table


def faults_table(errors: Iterable[ProblemFault]) -> RenderableType:
    """All that is wrong, at once."""
    table = listing("位置", "问题")
    for error in errors:
        table.add_row(Text(error.at, "dim"), Text(error.message, "red"))
    return table


def waiting_table(waiting: Iterable[Waiting]) -> Table:
    """What is in the terminal's own store."""
    table = listing("序号", "事项", "办件编号", "采集时间", "状态")
    for one in waiting:
        state = WAITING[one.state] if one.outcome is None else Text(STATES[one.outcome], "green")
        when = f"{one.captured_at:%m-%d %H:%M}"
        table.add_row(str(one.id), one.name, one.number, when, state)
    return table


def waiting_page(one: Waiting) -> RenderableType:
    """One of them, and what stands against it."""
    parts: list[RenderableType] = [pairs([
        ("办件编号", one.number), ("状态", WAITING[one.state]), ("柜员", one.teller),
        ("采集时间", f"{one.captured_at:%Y-%m-%d %H:%M:%S}"), ("发送次数", str(one.tries)),
        ("说明", Text(one.problem, "red") if one.problem else None),
    ])]  # fmt: skip
    if one.changes:
        parts.append(section("指南的变化", lines(change.words for change in one.changes)))
    if one.errors:
        parts.append(section("须补正的问题", faults_table(one.errors)))
    return Panel(
        Group(*parts), title=f"[bold]{one.name}[/bold]", border_style="yellow", padding=(1, 2)
    )


def receipt_panel(receipt: Receipt, name: str, base_url: str) -> RenderableType:
    """What the applicant takes along: the final number, also without a line."""
    code = segno.make(f"{base_url}/p/{receipt.number}#{receipt.query_code}", error="l")
    text = "\n".join(_blocks(code))
    facts = pairs([
        ("事项", name), ("办件编号", Text(receipt.number, "bold")),
        ("查询码", Text(receipt.query_code, "bold green")),
        ("采集时间", f"{receipt.captured_at:%Y-%m-%d %H:%M:%S}"),
    ])  # fmt: skip
    grid = Table.grid(padding=(0, 3))
    grid.add_row(
        Text(text, "black on white", no_wrap=True),
        Group(facts, Text("\n扫码查询办理进度，无需登录。\n收件不等于受理。", "dim")),
    )
    return Panel(
        grid, title="[bold]收件回执[/bold]", border_style="green", padding=(1, 2), expand=False
    )


def _blocks(code: Any) -> Iterable[str]:
    """Draw a QR code with half blocks: two rows in a line."""
    rows = [[bool(bit) for bit in row] for row in code.matrix_iter(border=2)]
    blank = [False] * len(rows[0])
    for top, bottom in zip(rows[::2], [*rows[1::2], blank], strict=False):
        yield "".join(" ▀▄█"[a + 2 * b] for a, b in zip(top, bottom, strict=True))


def applications_table(found: Iterable[ApplicationView], names: dict[str, str]) -> Table:
    """Applications that the service has, numbered."""
    table = listing("", "事项", "办件编号", "收件", "状态", "承诺日期", "预警")
    for nth, one in enumerate(found, 1):
        table.add_row(
            str(nth), names.get(one.matter, one.matter), one.number, f"{one.received_at:%m-%d %H:%M}",
            STATES[one.state], str(one.promised_due_on or "—"), LIGHTS[one.light],
        )  # fmt: skip
    return table


def application_page(
    one: ApplicationDetail, events: Iterable[EventView], name: str
) -> RenderableType:
    """An application, masked, and what happened to it."""
    outcome = f"（{OUTCOMES.get(one.outcome, one.outcome)}）" if one.outcome else ""
    facts = pairs([
        ("办件编号", one.number), ("状态", Text(STATES[one.state] + outcome, "bold")),
        ("申请人", f"{one.applicant.get('name')}  {one.applicant.get('id_number', '')}"),
        ("办理机构", one.agency.name), ("收件时间", f"{one.received_at:%Y-%m-%d %H:%M}"),
        ("法定期限", str(one.legal_due_on or "—")), ("承诺期限", str(one.promised_due_on or "—")),
        ("预警", LIGHTS[one.light]), ("文书", " ".join(one.documents)),
        ("可做操作", "、".join(FACTS[a] for a in one.actions if a in FACTS) or None),
    ])  # fmt: skip
    table = listing("时间", "事项", "状态", "角色")
    for event in events:
        kind = event.kind.removeprefix("application.")
        at, role = f"{event.at:%m-%d %H:%M:%S}", ROLES.get(event.actor_role, "—")
        table.add_row(at, EVENTS.get(kind, kind), STATES[event.state], role)
    return Panel(
        Group(facts, section("经过", table)), title=f"[bold]{name}[/bold]", border_style="blue", padding=(1, 2)
    )  # fmt: skip


def report_text(report: Report) -> Text:
    """What handing in brought about, in one line."""
    said = Text(f"提交 {report.sent} 件" if report.sent else "已是最新", "green")
    for count, words, style in (
        (report.refused, "退回", "red"), (report.review, "待核对", "yellow"), (report.left, "待提交", "cyan"),
    ):  # fmt: skip
        if count:
            said.append(f" · {words} {count} 件", style)
    if report.stopped is not None:
        said.append("\n" + stopped_words(report.stopped), "yellow")
    return said


STORE_WORDS: Mapping[type[StoreError], str] = {
    GuideUnknown: "本机没有该事项的办事指南：先联网同步（syt terminal sync）",
    AwayTooLong: "离线时间过长或从未联网：联网同步后才能收件",
    QueueFull: "本机待提交的办件已满：联网提交后才能收件",
    NumbersUsedUp: "本机没有可用的办件编号：联网同步时预留",
    ClockBehind: "本机时钟被拨回：联网同步时校准",
    Unsettled: "该办件已发出、未收到回复：联网后才能核对",
    NotWaiting: "没有这件待办，或者已经办结",
    StoreBusy: "本机存储正被另一个终端进程使用",
    WrongKey: "本机存储由另一把密钥加密，或者已被改动",
}
"""What a teller reads of what the terminal's own store will not do."""


def stopped_words(error: Exception) -> str:
    """Say why the terminal's store, or work with the service, stopped."""
    if isinstance(error, StoreError):
        return STORE_WORDS.get(type(error), str(error))
    problem = getattr(error, "problem", None)
    return (
        problem.detail
        if problem is not None
        else "网络不通：已保存在本机，联网后自动提交，不会重复。"
    )
