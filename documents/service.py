"""What can be done with papers: fix their words, and give them. No HTTP, no commit, no SQL.

The words of a paper are worked out from what was recorded when it was issued, and fixed when it is first told
of: names of agencies, banks and guides may change later, and the paper says what it said.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlmodel.ext.asyncio.session import AsyncSession

from applications import draft, views
from applications.actions import SYSTEM, Case, handed
from applications.desk import Desk
from applications.models import Application
from documents import compose, queries
from documents.compose import Issue
from documents.errors import DocumentNotFound
from documents.models import Document
from events.models import Event
from events.service import read_text
from kit.clock import CHINA, day_of, now
from kit.crypto import KeyRing, place
from kit.receipts import Receipt, digest_of, write
from kit.signing import Signer
from schemas.guides import Exemption

ISSUED = {
    "application.received": "REC",
    "application.accepted": "ACP",
    "application.deemed_accepted": "ACP",
    "application.correction_asked": "SGZ",
    "application.refused": "NGA",
    "application.supplied": "SUP",
    "application.suspended": "SPE",
    "application.extended": "EXT",
    "application.granted": "STL",
    "application.completed": "STL",
    "application.denied": "NST",
    "application.delivered": "RCH",
    "application.archive_sent": "DAZ",
    "application.archive_arrived": "DAH",
    "application.archive_certified": "DAM",
    "application.archive_lent": "DAJ",
    "application.archive_consulted": "DAJ",
}
"""What each thing that happens is told by. Pledges come with an acceptance that rests on them."""

TELLS = (*ISSUED, "application.suspension_proposed")
"""Kinds of events of which papers are made."""


class Paper(NamedTuple):
    """A paper with its words."""

    row: Document
    content: Mapping[str, Any]


async def papers(session: AsyncSession, desk: Desk, row: Application) -> list[Paper]:
    """Give the papers of an application, oldest first; those that were not told of before are fixed now.

    Two at once fix the same words: what one has kept stays.
    """
    known = await queries.of_application(session, row.number)
    history = await queries.history(session, row.number, TELLS)
    issues = await _issues(session, desk, row, history)
    kept = {document.number for document in known}
    fresh = [issue for issue in issues if issue.number not in kept]
    if fresh:
        await queries.keep(session, [_kept(issue) for issue in fresh])
        known = await queries.of_application(session, row.number)
    order = {issue.number: nth for nth, issue in enumerate(issues)}
    inside = sorted(known, key=lambda document: order.get(document.number, -1))
    return [Paper(document, read(desk.keys, document)) for document in inside]


def find(found: Sequence[Paper], named: str) -> Paper:
    """Find a paper by its code, the latest of several, or by code and which: `SUP-1`.

    Raises:
        DocumentNotFound: there is none.
    """
    code, _, nth = named.partition("-")
    wanted = [p for p in found if p.row.code == code and (not nth or str(p.row.nth) == nth)]
    if not wanted:
        raise DocumentNotFound()
    return wanted[-1]


def read(keys: KeyRing, document: Document) -> Mapping[str, Any]:
    """Open the words of a paper."""
    bound = place("document", "sealed", document.number)
    found: Mapping[str, Any] = orjson.loads(keys.open(document.sealed, bound_to=bound))
    return found


def listed(paper: Paper) -> dict[str, Any]:
    """Answer with what a paper is, without its words."""
    row, content = paper.row, paper.content
    return {
        "code": row.code,
        "nth": row.nth,
        "document": row.number,
        "name": content["title"],
        "agency": {"code": row.agency, "name": content["agency"]},
        "issued_at": row.issued_at.astimezone(CHINA),
        "outlet": row.outlet,
        "on_behalf": content["on_behalf"] or None,
    }


async def _issues(
    session: AsyncSession, desk: Desk, row: Application, history: Sequence[Event]
) -> list[Issue]:
    """List what was issued, from what happened."""
    sealed = await queries.texts(session, [event.id for event in history])
    guide = Case(row, SYSTEM, desk, now()).laid_guide
    applicant = draft.opened(desk.keys, row.number, row.sealed)["applicant"]["name"]
    counted: dict[str, int] = {}
    issues: list[Issue] = []
    before: Issue | None = None
    for event in history:
        said = _said(desk, row, event, sealed)
        materials = _had(row, history, event)
        for code in _codes(event, materials):
            counted[code] = counted.get(code, 0) + 1
            issue = Issue(
                code, counted[code], event, said, before, materials, row, applicant, guide, desk
            )
            before = issue if event.kind in BEFORE else before
            if event.kind in ISSUED:
                issues.append(issue)
    return issues


DECIDED = frozenset({"application.granted", "application.completed"})
BEFORE = DECIDED | {"application.suspension_proposed", "application.denied"}
"""What a later paper tells of as well."""


def _said(
    desk: Desk, row: Application, event: Event, sealed: Mapping[int, Any]
) -> Mapping[str, Any]:
    """Gather the words of an event, and of a decision its result's number."""
    text = sealed.get(event.id or 0)
    said: dict[str, Any] = orjson.loads(read_text(desk.keys, text)) if text is not None else {}
    if event.kind in DECIDED and row.result_sealed is not None:
        bound = f"{views.RESULT}:{row.number}"
        result = orjson.loads(desk.keys.open(row.result_sealed, bound_to=bound))
        said["result_number"] = result.get("number")
    return said


def _had(row: Application, history: Sequence[Event], event: Event) -> Sequence[Mapping[str, Any]]:
    """Give the materials as they were before anything after an event changed them.

    Whoever changes them tells, in the event, what was there before.
    """
    later = (e for e in history if (e.id or 0) > (event.id or 0) and "had" in e.facts)
    changed = next(later, None)
    return changed.facts["had"] if changed is not None else handed(row)


def _codes(event: Event, materials: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Name the papers that an event issues; a proposal issues none, and is told of by what follows."""
    yield ISSUED.get(event.kind, "")
    if event.kind in ("application.accepted", "application.deemed_accepted"):
        missing, committed = event.facts.get("missing"), event.facts.get("committed")
        if missing or any(item.get("promised_by") for item in materials):
            yield "TOL"
        if committed or any(i.get("exemption") == Exemption.COMMITMENT for i in materials):
            yield "COM"


def _kept(issue: Issue) -> Mapping[str, Any]:
    """Make the row of a paper, its words sealed."""
    event, content = issue.event, compose.content(issue)
    bound = place("document", "sealed", issue.number)
    return {
        "number": issue.number, "application": issue.row.number, "code": issue.code,
        "nth": issue.nth, "event": event.id, "issued_at": event.at, "agency": event.agency,
        "outlet": event.outlet if event.actor_role == "teller" else None,
        "sealed": issue.desk.keys.seal(orjson.dumps(content), bound_to=bound),
    }  # fmt: skip


def words_of(paper: Paper) -> dict[str, Any]:
    """Give what a paper says with all that is personal masked: what its receipt is the digest of."""
    said = compose.shown(paper.content, masked=True)
    return {name: value for name, value in said.items() if name != "masked"}


def receipt(paper: Paper, signer: Signer) -> str:
    """Sign a paper's receipt."""
    row = paper.row
    day, digest = day_of(row.issued_at), digest_of(words_of(paper))
    return write(Receipt(row.number, day, row.outlet, digest), signer)
