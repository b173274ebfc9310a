"""Every operation, by every role, at its own place and elsewhere: answered as `docs/rights.md` says.

A new operation needs an entry in `TRIED`: where it leads, what it is sent, and how it answers elsewhere.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any, Literal, NamedTuple

import httpx
import orjson
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from access.policy import GRANTS, SCOPES, May, Role, Scope
from api.app import operations
from api.state import State
from archives.models import PersonnelArchive
from cli.load import shipped_guide
from connectors.models import Difference
from kit import crypto
from kit.clock import now, today
from kit.db import transaction
from notices.models import Notice
from ratings.models import Rating, Rectification
from supervision.models import Order, SpotCheck
from tests import make as m
from tests.conftest import empty
from tests.make import Make
from webhooks.models import Delivery

Headers = dict[str, str]
ROUTES = {found.name: found[1:] for found in operations()}
OPEN = frozenset({
    "issue_token", "live", "ready", "metrics", "docs", "list_problems", "show_problem", "open_guide",
    "show_upload_protocol", "use_enrolment", "ask_progress", "rate_by_code", "open_progress", "show_progress",
    "rate_on_page", "list_receipt_keys",
})  # fmt: skip
"""Operations without a token."""

ELSEWHERE = Literal["same", "forbidden", "missing"]
"""How an operation answers who holds the permission at another place: alike, 403, or 404."""


class Try(NamedTuple):
    """How an operation is called."""

    body: Any = None
    headers: Headers = {}  # noqa: RUF012 -- never changed
    elsewhere: ELSEWHERE = "same"
    sees: May | None = None
    """What lets one see the thing at all; who does not gets 404 whatever else he may."""
    also: May | None = None
    """What the body's own action needs, beside what the operation needs."""
    bodies: Mapping[Role, Any] = {}
    """Bodies of roles that would send another."""
    query: str = ""
    empty: bool = False
    """There is none to be shown: 404 is the answer to who may."""
    blind: frozenset[Role] = frozenset()
    """Roles that hold the permission, and see figures or states with it, not this."""


PLAIN = Try()
CHECKED = Try(sees=May.CHECK_READ, elsewhere="missing")
GUIDE = shipped_guide(m.RECORD).guide.model_dump(mode="json")
DRAFT = {"effective_from": "2027-01-01", "effective_to": "2026-01-01"}
"""Of the right shape, and refused: nothing is to stay behind."""

SEEN = Try(sees=May.APPLICATION_READ, elsewhere="missing")
PERIOD = {"subject": "somebody", "valid_from": today().isoformat(), "valid_to": "2000-01-01"}
MANAGER = PERIOD | {"role": "outlet_manager", "scope": "{outlet}"}
REVIEWER = PERIOD | {"role": "reviewer", "scope": "330106"}

POOR = Try(sees=May.RECTIFICATION_READ, elsewhere="missing")
DEVICE = Try(sees=May.TERMINAL_READ, elsewhere="missing")
PERSON = Try(sees=May.TELLER_READ, elsewhere="missing")
UNSOUND = {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}
"""A key of the right shape with which anybody could sign."""

SENT = Try(sees=May.SUBSCRIPTION_READ, elsewhere="missing", blind=frozenset({Role.AGENCY_HEAD}))
"""A subscription of the bank's: no agency sees it, but those who check the whole province."""

TERMS = Try(sees=May.AGREEMENT_READ, elsewhere="missing")
BEHIND = Try(sees=May.REGISTRY_READ, elsewhere="missing")
AGREEMENT = {
    "agreement": "TRIED-1", "bank": "SRCB", "division": "330106", "max_delegation": "D2",
    "valid_from": "2026-01-01", "valid_to": "2099-12-31",
}  # fmt: skip
OUTLET = {
    "name": "测试支行(样例)", "bank": "SRCB", "kind": "bank_branch", "service_class": "basic",
    "division": "330106014", "address": "样例路1号", "cnaps": "000000000000",
}  # fmt: skip
"""With a check digit that is wrong: refused, so that nothing stays behind."""

NOBODY = {"name": "测试乙", "id_type": "resident_id", "id_number": "339900189901010010"}
"""With a check digit that is wrong: refused, so that nothing stays behind."""

SENDER = Try(sees=May.FILE_WRITE, elsewhere="missing")
"""An upload is its outlet's; said without the protocol's version, nothing is done to it."""

TRIED: dict[str, Try] = {
    **dict.fromkeys(
        (
            "list_matters", "get_matter", "get_guide", "list_applications", "list_tasks", "list_events",
            "list_outlets", "get_outlet", "export_outlets",
            "list_divisions", "get_division", "list_agencies",
            "get_guide_page", "get_guide_print", "get_version", "lint_version", "diff_versions",
            "list_changes", "report_conformity", "report_missing", "report_expiring", "list_items",
            "list_documents", "list_outdated", "list_packages", "list_asked_materials",
            "get_own_terminal", "list_grants", "list_drafts", "list_roots", "list_revocations",
            "list_access_records", "list_access_alerts", "list_terminals", "list_tellers",
            "list_reconciliations",
            "list_archives", "list_banks", "get_bank", "list_agreements", "list_outlet_permissions",
            "list_outlet_proposals", "list_overdue_outlets",
        ),
        PLAIN,
    ),
    **dict.fromkeys(("get_coverage", "get_coverage_map"), Try(query="division=330106")),
    "list_routing_gaps": Try(query=f"matter={m.RECORD}"),
    "submit_application": Try(m.body(consent=False), {"Idempotency-Key": "k" * 8}),
    "submit_batch": Try({"items": [{"key": "k" * 8, "application": m.body(consent=False)}]}),
    "get_application": SEEN,
    "list_application_events": SEEN,
    "reveal_application": SEEN._replace(body={"purpose": "核对"}),
    "act_on_application": SEEN._replace(
        body={"action": "withdraw", "reason": "申请人撤回"}, also=May.APPLICATION_WITHDRAW
    ),
    "list_application_documents": SEEN,
    "look_at_document": SEEN,
    "read_document": SEEN,
    "print_document": SEEN._replace(body={"purpose": "当面交给申请人"}),
    "list_subscriptions": PLAIN,
    "make_subscription": Try(
        {"name": "推送", "url": "http://x.example/?q=1", "bank": "SRCB"}, elsewhere="forbidden",
        bodies={Role.AGENCY_HEAD: {"name": "推送", "url": "http://x.example/?q=1", "agency": "330106"}},
    ),
    **dict.fromkeys(("get_subscription", "list_deliveries"), SENT),
    "change_subscription": SENT._replace(body={"name": "推送"}),
    "act_on_subscription": SENT._replace(body={"action": "pause"}),
    "act_on_delivery": SENT._replace(body={"action": "redeliver"}),
    "list_notices": PLAIN,
    "act_on_notice": Try(
        {"action": "told", "way": "phone"}, sees=May.NOTICE_READ, elsewhere="missing"
    ),
    "rate_application": SEEN._replace(body={"grade": 1}),
    "list_rating_figures": PLAIN,
    "list_rectifications": PLAIN,
    "get_rectification": POOR,
    "act_on_rectification": POOR._replace(body={"action": "contact"}),
    "reveal_rater": POOR._replace(body={"purpose": "回访"}),
    "preview_routing": Try({"matter": m.RECORD, "outlet": "0" * 12, "form": {}}),
    "claim_tasks": Try({"limit": 1}),
    "release_task": SEEN,
    "upload_file": PLAIN,
    "download_file": Try(
        query="application={number}", elsewhere="missing",
        blind=frozenset({Role.AUDITOR, Role.CONTROL_OFFICER}),
    ),
    "import_outlets": PLAIN,
    **dict.fromkeys(
        ("get_import", "get_import_report"),
        Try(elsewhere="missing", blind=frozenset({Role.BANK_ADMIN})),  # It is the authority's own.
    ),
    "create_upload": Try(headers={"Upload-Length": "9", "Tus-Resumable": "1.0.0"}),
    **dict.fromkeys(("get_upload", "get_upload_offset", "add_to_upload", "end_upload"), SENDER),
    "draft_version": Try(DRAFT | {"guide": GUIDE}, elsewhere="forbidden"),
    "redraft_version": Try(DRAFT | {"guide": GUIDE}, elsewhere="forbidden"),
    "act_on_version": Try({"action": "submit"}, elsewhere="forbidden"),
    "get_layer": Try(empty=True),
    "draft_layer": Try(DRAFT, elsewhere="forbidden"),
    "act_on_layer": Try({"action": "submit"}, empty=True),
    "reserve_numbers": Try({"count": 1}),
    "list_supervision_orders": PLAIN,
    "answer_supervision_order": Try(
        {"text": "正在核实"}, sees=May.SUPERVISION_READ, elsewhere="missing"
    ),
    "list_spot_checks": PLAIN,
    "act_on_reconciliation": Try(
        {"action": "settle", "text": "已核实"}, sees=May.RECONCILIATION_READ, elsewhere="missing"
    ),
    "get_spot_check": CHECKED,
    "act_on_spot_check": CHECKED._replace(body={"action": "confirm"}),
    **dict.fromkeys(("list_terminals_of_outlet", "get_terminal", "list_terminal_history"), DEVICE),
    "enrol_terminal": DEVICE._replace(body={"name": "终端", "public_jwk": UNSOUND}),
    "allow_enrolment": DEVICE._replace(body={"name": "终端"}),
    "act_on_terminal": DEVICE._replace(body={"action": "suspend", "reason": "lost"}),
    **dict.fromkeys(
        ("list_tellers_of_outlet", "get_teller", "list_teller_posts", "list_teller_history"), PERSON
    ),
    "add_teller": PERSON._replace(body={"code": "13900000001"}),
    "act_on_teller": PERSON._replace(body={"action": "suspend", "reason": "leave"}),
    "propose_bank": Try({"bank": "SRCB", "name": "测试农商银行(样例)", "bank_class": "402"}),
    "act_on_bank": Try({"action": "approve"}, elsewhere="forbidden"),
    **dict.fromkeys(("get_agreement", "list_agreement_history"), TERMS),
    "record_agreement": Try(AGREEMENT | {"valid_to": "2020-01-01"}, elsewhere="forbidden"),
    "change_agreement": TERMS._replace(body={"reason": "补充协议"}),
    "act_on_agreement": TERMS._replace(body={"action": "end", "reason": "双方协商"}),
    "apply_for_outlet": Try(OUTLET, elsewhere="forbidden"),
    "change_outlet": Try({"reason": "更正"}, elsewhere="missing"),
    "act_on_outlet": Try({"action": "suspend", "reason": "停电"}, elsewhere="missing"),
    **dict.fromkeys(
        ("list_outlet_history", "list_outlet_sheets", "get_outlet_contact"), Try(elsewhere="missing")
    ),
    "put_outlet_contact": Try({"name": None, "phone": None}, elsewhere="missing"),
    "get_outlet_proposal": BEHIND,
    "act_on_outlet_proposal": BEHIND._replace(body={"action": "withdraw"}),
    "apply_for_grant": Try(
        MANAGER, elsewhere="forbidden", bodies={Role.AGENCY_HEAD: REVIEWER}
    ),
    "get_grant": Try(sees=May.GRANT_READ, elsewhere="missing"),
    "act_on_grant": Try({"action": "check"}, sees=May.GRANT_READ, elsewhere="missing"),
    **dict.fromkeys(
        ("get_archive", "list_archive_entries"), Try(sees=May.ARCHIVE_READ, elsewhere="missing")
    ),
    "enter_archive": Try(
        {"agency": "330106", "person": NOBODY, "kept_since": "2020-01-01"}, elsewhere="forbidden"
    ),
    "search_archives": Try({"id_number": m.IDS[1], "purpose": "核查"}),
    "act_on_archive": Try({"action": "return"}, sees=May.ARCHIVE_READ, elsewhere="missing"),
    "search_access_records": Try({"id_number": m.IDS[0], "purpose": "核查"}),
    "revoke": Try(
        {"kind": "terminal", "value": "{lost}", "reason": "lost"}, elsewhere="forbidden"
    ),
}  # fmt: skip

OWN = {Scope.BANK: "SRCB", Scope.AGENCY: "330106", Scope.DIVISION: "330000"}
FOREIGN = {Scope.BANK: "SPSB", Scope.AGENCY: "330205", Scope.DIVISION: "330200"}


class World(NamedTuple):
    """Who calls, and what there is to be called for."""

    own: dict[Role, Headers]
    foreign: dict[Role, Headers]
    things: dict[str, str]
    http: httpx.AsyncClient
    codes: Mapping[str, frozenset[str]]
    """What each operation refuses with, as the contract has it."""


@pytest.fixture(scope="module")
async def world(app: FastAPI, state: State, owner: AsyncEngine) -> AsyncIterator[World]:
    """One application with a scan, and one right, at 330106; and two persons in each role."""
    codes = await asyncio.to_thread(
        _codes, app
    )  # It takes seconds, and rights are to stay current.
    make = Make(state)
    here, there = await make.place(), await make.place(county="330205")
    own = {role: await make.person(role, OWN.get(s, here.outlet)) for role, s in SCOPES.items()}
    foreign = {
        role: await make.person(role, FOREIGN.get(s, there.outlet)) for role, s in SCOPES.items()
    }
    own[Role.TELLER], foreign[Role.TELLER] = make.teller(here), make.teller(there)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://outlet.test") as http:
        things = await _things(http, own, here.outlet)
        things |= await _supervised(state, things["number"], here.outlet)
        things["delivery"] = await _sent(state, things["subscription"], things["number"])
        things |= {"terminal": here.terminal, "teller": here.teller}
        things["lost"] = (await make.place()).terminal  # Nobody calls from it: its tokens end here.
        yield World(own, foreign, things, http, codes)
    async with owner.begin() as connection:
        await empty(connection)


def _codes(app: FastAPI) -> Mapping[str, frozenset[str]]:
    return {
        operation["operationId"]: frozenset(operation["x-problems"])
        for methods in app.openapi()["paths"].values()
        for operation in methods.values()
    }


async def _things(http: httpx.AsyncClient, own: dict[Role, Headers], outlet: str) -> dict[str, str]:
    scan = {"file": ("a.pdf", b"%PDF-1.4\n%%EOF\n", "application/pdf")}
    stored = await http.post("/v1/files", files=scan, headers=own[Role.TELLER])
    upload = await http.post(
        "/v1/uploads",
        headers=own[Role.TELLER] | {"Upload-Length": "9", "Tus-Resumable": "1.0.0"},
    )
    materials = [{"code": "id_card", "file": stored.json()["file"]}]
    made = await m.submit(http, own[Role.TELLER], m.body(materials=materials, accept=False))
    assert made.status_code == 201, made.text
    sheet = {"file": ("a.csv", "银行,网点名称,行号,区县\n".encode())}
    brought = await http.post("/v1/outlets/imports", files=sheet, headers=own[Role.OUTLET_ADMIN])
    until = (today() + timedelta(days=30)).isoformat()
    right = await http.post(
        "/v1/grants", headers=own[Role.BANK_ADMIN],
        json=MANAGER | {"scope": outlet, "subject": f"swept-{outlet}", "valid_to": until},
    )  # fmt: skip
    assert right.status_code == 201, right.text
    signed = await http.post("/v1/agreements", json=AGREEMENT, headers=own[Role.OUTLET_ADMIN])
    assert signed.status_code == 201, signed.text
    proposed = await http.patch(
        f"/v1/outlets/{outlet}", json={"reason": "更正", "address": "样例路999号"},
        headers=own[Role.BANK_ADMIN] | {"If-Match": '"1"'},
    )  # fmt: skip
    assert proposed.status_code == 202, proposed.text
    sent = await http.post(
        "/v1/subscriptions", headers=own[Role.BANK_ADMIN],
        json={"name": "推送", "url": "https://bank.example/events", "bank": "SRCB"},
    )  # fmt: skip
    assert sent.status_code == 201, sent.text
    return {
        "bank": "SRCB", "agreement": "TRIED-1", "proposal": proposed.json()["proposal"],
        "matter": m.RECORD, "outlet": outlet, "number": made.json()["number"], "version": "1",
        "other": "1", "division": "330106", "code": "330106", "document": "REC", "grant": right.json()["id"],
        "file": stored.json()["file"], "upload": upload.json()["upload"],
        "id": brought.json()["id"], "subscription": sent.json()["subscription"],
    }  # fmt: skip


async def _supervised(state: State, number: str, outlet: str) -> dict[str, str]:
    about: dict[str, Any] = {
        "at": now(), "application": number, "agency": "330106", "outlet": outlet, "matter": m.RECORD,
    }  # fmt: skip
    order = Order(**about, light="red", waits_for="acceptance", since=today(), told=[])
    check = SpotCheck(**about, reason="matter")
    differs = Difference(
        at=now(), core="simulated", kind="missing_there", application=number, agency="330106"
    )
    rating = Rating(
        token=b"t",
        outlet=outlet,
        agency="330106",
        matter=m.RECORD,
        grade=5,
        channel="counter",
        tags=[],
    )
    poor = Rectification(
        rating=rating.id, due_on=today(), outlet=outlet, agency="330106", responsible="outlet"
    )
    async with transaction(state.sessions) as session:
        notice = Notice(
            application=number, event=1, kind="receipt", outlet=outlet, agency="330106", at=now(),
            next_at=now(), state="undelivered",
        )  # fmt: skip
        archive = PersonnelArchive(
            token=b"t", agency="330106", kept_since=today(), sealed=b"", state="lent",
            due_on=today(), application=number,
        )  # fmt: skip
        person = orjson.dumps(NOBODY)
        archive.sealed = state.keys.seal(
            person, bound_to=crypto.place("personnel_archive", "sealed", archive.id)
        )
        session.add_all([order, check, rating, notice, differs, archive])
        await session.flush()
        session.add(poor)
        await session.flush()
        bound = crypto.place("rectification", "about_sealed", poor.id)
        poor.about_sealed = state.keys.seal(number.encode(), bound_to=bound)
        return {
            "order": str(order.id),
            "check": str(check.id),
            "rectification": str(poor.id),
            "notice": str(notice.id),
            "difference": str(differs.id),
            "archive": str(archive.id),
        }


async def _sent(state: State, subscription: str, number: str) -> str:
    delivery = Delivery(
        subscription=uuid.UUID(subscription), seq=1, event=1, event_at=now(), kind="application.received",
        application=number, state="dead", created_at=now(), next_at=now(), until=now(), attempts=[],
    )  # fmt: skip
    async with transaction(state.sessions) as session:
        session.add(delivery)
        await session.flush()
    return str(delivery.id)


def filled(value: Any, things: Mapping[str, str]) -> Any:
    """Put the names of things where they are asked for."""
    if isinstance(value, dict):
        return {name: filled(item, things) for name, item in value.items()}
    return things.get(value[1:-1], value) if isinstance(value, str) and value[:1] == "{" else value


async def call(world: World, operation: str, role: Role, who: Headers) -> int:
    """Call an operation as it is called, and give the status."""
    method, path, _ = ROUTES[operation]
    wanted = TRIED[operation]
    query = f"?{wanted.query.format(**world.things)}" if wanted.query else ""
    answer = await world.http.request(
        method, path.format(**world.things) + query, headers={**who, **wanted.headers},
        json=filled(wanted.bodies.get(role, wanted.body), world.things),
    )  # fmt: skip
    assert answer.status_code < 500, answer.text
    assert answer.status_code != 401, answer.text
    if answer.status_code >= 400 and method != "HEAD":
        assert answer.json()["code"] in world.codes[operation], (operation, answer.text)
    return answer.status_code if answer.status_code in (403, 404) else 200


def expected(operation: str, role: Role, *, own: bool) -> int:
    """Say what the matrix says: 200 stands for all but 403 and 404."""
    wanted, permission = TRIED[operation], ROUTES[operation][2]
    asked = {permission, wanted.also} - {None}
    if wanted.sees is not None and not (own and wanted.sees in GRANTS[role]):
        return 404
    if not asked <= GRANTS[role]:
        return 403
    if role in wanted.blind:
        return 404
    if not own and wanted.elsewhere != "same":
        return {"forbidden": 403, "missing": 404}[wanted.elsewhere]
    return 404 if wanted.empty else 200


@pytest.mark.parametrize("operation", sorted(TRIED))
async def test_each_role_gets_what_the_page_says(world: World, operation: str) -> None:
    found, wanted = {}, {}
    for place, callers in (("own", world.own), ("foreign", world.foreign)):
        for role, who in callers.items():
            found[place, role] = await call(world, operation, role, who)
            wanted[place, role] = expected(operation, role, own=place == "own")
    assert found == wanted


@pytest.mark.parametrize(
    ("path", "name"), [("/v1/applications", "number"), ("/v1/grants", "grant")]
)
async def test_lists_hold_what_is_within_reach_and_no_more(
    world: World, path: str, name: str
) -> None:
    thing, permission = world.things[name], ROUTES[f"list_{path.rpartition('/')[2]}"][2]
    for callers, seen in ((world.own, True), (world.foreign, False)):
        for role, who in callers.items():
            answer = await world.http.get(path, headers=who)
            if permission in GRANTS[role]:
                assert (thing in answer.text) == seen, role


async def test_not_yours_is_answered_as_if_it_were_not(world: World) -> None:
    """The same words and the same headers: nothing tells that there is one."""
    paths = {
        "/v1/applications/{}": (world.things["number"], "SYT" + "0" * 27),
        "/v1/grants/{}": (world.things["grant"], "00000000-0000-7000-8000-00000000dead"),
        "/v1/files/{}": (world.things["file"], world.things["file"][:-2] + "00"),
    }
    for path, ids in paths.items():
        answers = [
            await world.http.get(
                path.format(id_),
                headers={**world.foreign[Role.AUDITOR], "X-Request-Id": "the-same"},
            )
            for id_ in ids
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content
        assert answers[0].headers == answers[1].headers
