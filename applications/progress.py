"""What an applicant is told who asks with number and code: how far it is, and nothing of anybody."""

import hmac
from collections.abc import Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from access import service as access
from access.service import Limit
from applications import queries
from applications.actions import SYSTEM, Case
from applications.desk import Desk
from applications.errors import ProgressLocked, ProgressNotFound
from applications.models import Application
from applications.numbers import query_code
from events import queries as events
from events.models import Event
from kit.clock import day_of, now
from kit.crypto import KeyRing
from kit.db import Sessions, transaction
from schemas.applications import State

WRONG_CODES = Limit("query_code", 5, timedelta(minutes=15))

STATES = MappingProxyType({
    State.RECEIVED: ("已收件", "已接收您的申请材料，正在审查是否受理。"),
    State.CORRECTION: ("待补正", "材料需要补正，请按材料补正告知书在期限内补齐。"),
    State.ACCEPTED: ("已受理", "已受理，等待审核。"),
    State.IN_REVIEW: ("审核中", "正在审核。"),
    State.IN_SECOND_REVIEW: ("复核中", "正在复核。"),
    State.IN_APPROVAL: ("审批中", "正在审批。"),
    State.SUSPENDED: ("特别程序中", "正在进行特别程序，所需时间不计入办理时限。"),
    State.COMPLETED: ("已办结", "已办结，请领取办理结果。"),
    State.DELIVERED: ("已送达", "办理结果已经送达。"),
    State.ARCHIVED: ("已归档", "办理结果已经送达，办件已归档。"),
    State.REFUSED: ("不予受理", "不予受理，理由和救济途径见不予受理通知书。"),
    State.RETURNED: ("已退件", "逾期没有补正，申请材料已退回，可以重新申请。"),
    State.WITHDRAWN: ("已撤回", "已按申请人的要求撤回。"),
    State.VOIDED: ("已作废", "该办件登记有误，已作废。"),
})  # fmt: skip
"""States as an applicant is told of them."""

STAGES = MappingProxyType({
    "application.received": "收件", "application.accepted": "受理",
    "application.deemed_accepted": "视为受理", "application.correction_asked": "告知补正",
    "application.supplied": "补交材料", "application.refused": "不予受理",
    "application.suspended": "进入特别程序", "application.resumed": "特别程序结束",
    "application.extended": "延期", "application.granted": "办结", "application.denied": "办结",
    "application.completed": "办结",
    "application.delivered": "送达", "application.returned": "退件",
    "application.step_passed_on": "转至下一环节",
    "application.withdrawn": "撤回", "application.voided": "作废",
})  # fmt: skip
"""What of an application's history concerns the applicant."""

LONGEST = 200
"""Events that are looked through: more than any application has."""


async def enter(sessions: Sessions, keys: KeyRing, number: str, code: str) -> Application:
    """Let in who has the code of a number.

    A wrong code and a number that is not there are answered alike, by the same statements: the code follows
    from the number and a key of ours. Each try is counted before it is looked at, in a transaction of its own,
    while others for that number wait: so of any number at once, in any number of processes, five are looked at.

    Raises:
        ProgressNotFound: it is another code, or there is no such application.
        ProgressLocked: too many were wrong; the right one is not looked at either.
    """
    async with transaction(sessions) as session:
        tried = await access.begin_try(session, WRONG_CODES, number)
        known = query_code(keys, number).encode()
        right = not tried.wait and hmac.compare_digest(known, code.upper().encode())
        row = await queries.by_number(session, number) if right else None
        if row is not None:
            await access.was_right(session, tried)
    if tried.wait:
        raise ProgressLocked(wait=tried.wait)
    if row is None:
        raise ProgressNotFound()
    return row


async def shown(session: AsyncSession, desk: Desk, row: Application) -> dict[str, Any]:
    """Tell how far it is."""
    history = await events.of_application(session, row.number, 0, LONGEST)
    guide = Case(row, SYSTEM, desk, now()).laid_guide.guide
    name, said = STATES[State(row.state)]
    return {
        "number": row.number,
        "matter": row.matter,
        "name": guide.name,
        "agency": desk.agencies.name(row.agency),
        "state": row.state,
        "state_name": name,
        "said": said,
        "received_on": day_of(row.received_at),
        "accepted_on": day_of(row.accepted_at) if row.accepted_at else None,
        "promised_due_on": row.promised_due_on,
        "supply_by": row.due_on if row.state == State.CORRECTION else None,
        "completed_on": day_of(row.completed_at) if row.completed_at else None,
        "outcome": row.outcome,
        "stages": _stages(history),
        "consult_phone": guide.consult_phone,
    }


def _stages(history: Sequence[Event]) -> list[dict[str, Any]]:
    return [
        {"name": STAGES[event.kind], "on": day_of(event.at)}
        for event in history
        if event.kind in STAGES
    ]
