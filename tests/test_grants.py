"""Rights on their way: four persons, what excludes what, a year at a time, and an end at once."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from access import chain, service
from access.callers import Held, person
from access.chain import MOVES, OVER, Post, bare_post
from access.errors import Forbidden, GrantHeld, PostsExclude, ScopeInvalid
from access.models import Grant
from access.policy import SCOPES, May, Role
from api.state import State
from kit.clock import today
from kit.db import transaction
from routing import posts
from tests.make import Make, key, serial

URL = "/v1/grants"
Headers = dict[str, str]

FOUR = {
    "head": (Role.AGENCY_HEAD, "330106"),
    "control": (Role.CONTROL_OFFICER, "330000"),
    "approver": (Role.APPROVER, "330106"),
    "rights": (Role.RIGHTS_ADMIN, "330100"),
}
STEPS = (("control", "check"), ("approver", "approve"), ("rights", "grant"))


@pytest.fixture
async def four(make: Make) -> dict[str, Headers]:
    """Who takes the steps of the chain for a post of the county 330106."""
    return {name: await make.person(role, scope) for name, (role, scope) in FOUR.items()}


def wanted(**changed: Any) -> dict[str, Any]:
    return {
        "subject": f"new-{next(serial)}", "role": "reviewer", "scope": "330106",
        "valid_from": today().isoformat(), "valid_to": (today() + timedelta(days=700)).isoformat(),
        **changed,
    }  # fmt: skip


async def apply(http: httpx.AsyncClient, who: Headers, **changed: Any) -> httpx.Response:
    return await http.post(URL, json=wanted(**changed), headers={**who, "Idempotency-Key": key()})


async def act(
    http: httpx.AsyncClient, who: Headers, right: dict[str, Any], action: str, **more: Any
) -> httpx.Response:
    version = more.pop("version", right["version"])
    return await http.post(
        f"{URL}/{right['id']}/actions", json={"action": action, **more},
        headers={**who, "If-Match": f'"{version}"'},
    )  # fmt: skip


async def given(http: httpx.AsyncClient, four: dict[str, Headers], **changed: Any) -> Any:
    """Take a right through the whole chain."""
    right = (await apply(http, four["head"], **changed)).json()
    for who, action in STEPS:
        answer = await act(http, four[who], right, action)
        assert answer.status_code == 200, answer.text
        right = answer.json()
    return right


def token(state: State, subject: str) -> Headers:
    return {"Authorization": f"Bearer {state.tokens.for_person(subject, seconds=900)}"}


class TestChain:
    async def test_a_right_bites_after_four_persons_and_not_before(
        self, http: httpx.AsyncClient, make: Make, four: dict[str, Headers], state: State
    ) -> None:
        right = (await apply(http, four["head"])).json()
        who = token(state, right["subject"])
        assert (right["state"], right["in_force"], right["actions"]) == (
            "applied", False, ["withdraw"],
        )  # fmt: skip
        for name, action in STEPS:
            await make.settle()
            assert (await http.get("/v1/tasks", headers=who)).status_code == 403
            right = (await act(http, four[name], right, action)).json()
        await make.settle()
        assert (right["state"], right["in_force"]) == ("active", True)
        assert (await http.get("/v1/tasks", headers=who)).status_code == 200
        detail = (await http.get(f"{URL}/{right['id']}", headers=four["rights"])).json()
        assert [step["action"] for step in detail["steps"]] == [
            "apply", "check", "approve", "grant",
        ]  # fmt: skip
        assert len({step["by"] for step in detail["steps"]}) == 4

    async def test_an_end_bites_at_once(
        self, http: httpx.AsyncClient, make: Make, four: dict[str, Headers], state: State
    ) -> None:
        right = await given(http, four)
        await make.settle()
        who = token(state, right["subject"])
        assert (await http.get("/v1/tasks", headers=who)).status_code == 200
        bare = await act(http, four["head"], right, "end")
        assert (bare.status_code, bare.json()["errors"][0]["at"]) == (422, "/reason")
        ended = (await act(http, four["head"], right, "end", reason="left")).json()
        await make.settle()
        assert (ended["state"], ended["in_force"], ended["actions"]) == ("ended", False, [])
        assert (await http.get("/v1/tasks", headers=who)).status_code == 403

    async def test_steps_are_not_skipped(
        self, http: httpx.AsyncClient, four: dict[str, Headers]
    ) -> None:
        right = (await apply(http, four["head"])).json()
        for name, action in STEPS[1:]:
            answer = await act(http, four[name], right, action)
            assert (answer.status_code, answer.json()["code"]) == (409, "grant-action-not-allowed")

    async def test_one_person_takes_one_step(
        self, http: httpx.AsyncClient, make: Make, four: dict[str, Headers], state: State
    ) -> None:
        """Even one who, against the rules, came to hold all four posts."""
        for role, scope in FOUR.values():
            await make.person(role, scope, subject="all-four")
        one = token(state, "all-four")
        right = (await apply(http, one)).json()
        for name, action in STEPS:
            answer = await act(http, one, right, action)
            assert (answer.status_code, answer.json()["code"]) == (403, "grant-same-person")
            right = (await act(http, four[name], right, action)).json()
        assert right["state"] == "active"

    async def test_nobody_has_a_hand_in_his_own_right(
        self, http: httpx.AsyncClient, four: dict[str, Headers], make: Make, state: State
    ) -> None:
        await make.person(*FOUR["head"], subject="herself")
        own = await apply(http, token(state, "herself"), subject="herself")
        assert own.json()["code"] == "grant-same-person"
        await make.person(*FOUR["approver"], subject="himself")
        right = (await apply(http, four["head"], subject="himself")).json()
        right = (await act(http, four["control"], right, "check")).json()
        answer = await act(http, token(state, "himself"), right, "approve")
        assert answer.json()["code"] == "grant-same-person"

    async def test_refused_and_withdrawn_are_over_and_may_be_applied_for_again(
        self, http: httpx.AsyncClient, four: dict[str, Headers]
    ) -> None:
        right = (await apply(http, four["head"], subject="twice")).json()
        held = await apply(http, four["head"], subject="twice")
        assert (held.status_code, held.json()["code"]) == (409, "grant-held")
        refused = await act(http, four["control"], right, "refuse", reason="not_qualified")
        assert refused.json()["state"] == "refused"
        again = (await apply(http, four["head"], subject="twice")).json()
        withdrawn = await act(http, four["head"], again, "withdraw")
        assert (withdrawn.json()["state"], withdrawn.json()["actions"]) == ("withdrawn", [])

    async def test_changes_name_the_version_they_were_made_for(
        self, http: httpx.AsyncClient, four: dict[str, Headers]
    ) -> None:
        right = (await apply(http, four["head"])).json()
        stale = await act(http, four["control"], right, "check", version=7)
        assert (stale.status_code, stale.json()["code"]) == (412, "grant-stale")
        bare = await http.post(
            f"{URL}/{right['id']}/actions", json={"action": "check"}, headers=four["control"]
        )
        assert bare.status_code == 428

    async def test_two_at_once_take_one_step(
        self, http: httpx.AsyncClient, make: Make, four: dict[str, Headers]
    ) -> None:
        right = (await apply(http, four["head"])).json()
        other = await make.person(*FOUR["control"])
        answers = await asyncio.gather(
            *(act(http, who, right, "check") for who in (four["control"], other))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412]


class TestApplying:
    async def test_a_repeat_makes_nothing_more(
        self, http: httpx.AsyncClient, four: dict[str, Headers]
    ) -> None:
        body, headers = wanted(), {**four["head"], "Idempotency-Key": key()}
        first, again = [await http.post(URL, json=body, headers=headers) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert first.headers["location"].endswith(f"{URL}/{first.json()['id']}")

    async def test_two_at_once_make_one(
        self, http: httpx.AsyncClient, four: dict[str, Headers]
    ) -> None:
        answers = await asyncio.gather(
            *(apply(http, four["head"], subject="raced") for _ in range(5))
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]

    @pytest.mark.parametrize(
        ("changed", "at"),
        [
            ({"role": "teller", "scope": "330106000001"}, "/role"),
            ({"scope": "339999"}, "/scope"),
            ({"scope": "330106000001"}, "/scope"),
            ({"role": "auditor", "scope": "330106002"}, "/scope"),
            ({"role": "rights_admin", "scope": "330106"}, "/scope"),
            ({"role": "outlet_manager", "scope": "330106999999"}, "/scope"),
            ({"role": "bank_admin", "scope": "NOBANK"}, "/scope"),
            ({"valid_to": "2026-01-01"}, "/valid_to"),
            ({"valid_to": "2099-01-01"}, "/valid_to"),
        ],
    )
    async def test_what_is_not_given_is_named(
        self, http: httpx.AsyncClient, four: dict[str, Headers], changed: dict[str, str], at: str
    ) -> None:
        answer = await apply(http, four["head"], **changed)
        assert (answer.status_code, answer.json()["code"]) == (422, "grant-invalid"), answer.text
        assert [fault["at"] for fault in answer.json()["errors"]] == [at]

    async def test_each_speaks_for_his_own(self, http: httpx.AsyncClient, make: Make) -> None:
        """A bank for its outlets' managers, an agency's head for the agency's posts."""
        place = await make.place()
        bank, head = (
            await make.person(Role.BANK_ADMIN, "SRCB"), await make.person(*FOUR["head"]),
        )  # fmt: skip
        manager = {"role": "outlet_manager", "scope": place.outlet}
        cases = [
            (bank, manager, 201), (head, manager, 403),
            (bank, {"role": "bank_admin", "scope": "SRCB"}, 201),
            (bank, {"role": "bank_admin", "scope": "SPSB"}, 403),
            (bank, {"role": "reviewer"}, 403),
            (head, {"role": "approver"}, 201), (head, {"role": "approver", "scope": "330105"}, 403),
            (head, {"role": "outlet_admin", "scope": "330106"}, 201),
            (head, {"role": "outlet_admin", "scope": "330100"}, 403),
        ]  # fmt: skip
        for who, changed, status in cases:
            answer = await apply(http, who, **changed)
            assert answer.status_code == status, (changed, answer.text)

    async def test_posts_that_exclude_each_other(
        self, http: httpx.AsyncClient, make: Make, four: dict[str, Headers]
    ) -> None:
        for role, scope in ((Role.AUDITOR, "330000"), (Role.OUTLET_ADMIN, "330106")):
            subject = f"holds-{role}"
            await make.person(role, scope, subject=subject)
            answer = await apply(http, four["head"], subject=subject)
            assert (answer.status_code, answer.json()["code"]) == (409, "posts-exclude")
            assert answer.json()["roles"] == [role]
        await make.person(Role.SECOND_REVIEWER, "330106", subject="same-kind")
        assert (await apply(http, four["head"], subject="same-kind")).status_code == 201

    async def test_of_two_posts_on_their_way_one_comes(
        self, http: httpx.AsyncClient, make: Make, four: dict[str, Headers]
    ) -> None:
        """What came into force meanwhile is looked at again when the right is granted."""
        right = (await apply(http, four["head"], subject="both-ways")).json()
        for name, action in STEPS[:2]:
            right = (await act(http, four[name], right, action)).json()
        await make.person(Role.AUDITOR, "330000", subject="both-ways")
        answer = await act(http, four["rights"], right, "grant")
        assert (answer.status_code, answer.json()["code"]) == (409, "posts-exclude")


class TestReview:
    async def test_a_year_and_a_confirmation(
        self, http: httpx.AsyncClient, four: dict[str, Headers], make: Make, owner: AsyncEngine
    ) -> None:
        right = await given(http, four)
        assert right["confirm_by"] == (today() + chain.CONFIRMED_FOR).isoformat()
        await _set(owner, right, confirm_by=today() + timedelta(days=20))
        due = {"confirm_until": (today() + timedelta(days=30)).isoformat(), "scope": "330106"}
        found = (await http.get(URL, params=due, headers=four["control"])).json()["items"]
        assert right["id"] in [one["id"] for one in found]
        confirmed = await act(http, four["head"], right, "confirm")
        assert confirmed.json()["confirm_by"] == right["confirm_by"]
        found = (await http.get(URL, params=due, headers=four["control"])).json()["items"]
        assert right["id"] not in [one["id"] for one in found]

    @pytest.mark.parametrize(
        ("column", "reason"), [("confirm_by", "unconfirmed"), ("valid_to", "period_over")]
    )
    async def test_what_nobody_confirms_ends_by_itself(
        self, http: httpx.AsyncClient, four: dict[str, Headers], make: Make, state: State,
        owner: AsyncEngine, column: str, reason: str,
    ) -> None:  # fmt: skip
        right = await given(http, four)
        await _set(owner, right, **{column: today() - timedelta(days=1)})
        state.grants._grants.clear()
        async with transaction(state.sessions) as session:
            await state.grants.load(session, 0)
        who = token(state, right["subject"])
        assert (await http.get("/v1/tasks", headers=who)).status_code == 403  # Before any job ran.
        async with transaction(state.sessions) as session:
            assert await service.end_lapsed(session) >= 1
        async with transaction(state.sessions) as session:
            assert await service.end_lapsed(session) == 0
        shown = (await http.get(f"{URL}/{right['id']}", headers=four["rights"])).json()
        assert (shown["state"], shown["steps"][-1]["reason"]) == ("ended", reason)

    async def test_a_grant_of_the_release_before_is_a_years(self) -> None:
        row = Grant(
            subject="s", role="reviewer", scope="330106", valid_from=today(), granted_by="x",
            generation=1,
        )  # fmt: skip
        assert chain.holds(row, today() + chain.CONFIRMED_FOR)
        assert not chain.holds(row, today() + chain.CONFIRMED_FOR + timedelta(days=1))


async def _set(owner: AsyncEngine, right: dict[str, Any], **values: Any) -> None:
    async with owner.begin() as connection:
        table = Grant.__table__  # type: ignore[attr-defined]
        await connection.execute(table.update().where(table.c.id == right["id"]).values(**values))


class TestSeeing:
    async def test_each_sees_his_own(
        self, http: httpx.AsyncClient, make: Make, four: dict[str, Headers]
    ) -> None:
        right = (await apply(http, four["head"])).json()
        url = f"{URL}/{right['id']}"
        seen = [*four.values(), await make.person(Role.AUDITOR, "330100")]
        unseen = [
            await make.person(Role.AGENCY_HEAD, "330105"), await make.person(Role.BANK_ADMIN, "SRCB"),
            await make.person(Role.AUDITOR, "330200"), await make.person(Role.APPROVER, "330199"),
            await make.person(Role.REVIEWER, "330106"), await make.person(Role.RIGHTS_ADMIN, "330200"),
        ]  # fmt: skip
        for who in seen:
            assert (await http.get(url, headers=who)).status_code == 200
        for who in unseen:
            answer = await http.get(url, headers=who)
            assert (answer.status_code, answer.json()["code"]) == (404, "grant-not-found")
            assert (await act(http, who, right, "check")).status_code == 404
        for wrong in ("x", "00000000-0000-7000-8000-00000000dead", "%00"):
            answer = await http.get(f"{URL}/{wrong}", headers=four["head"])
            assert (answer.status_code, answer.json()["code"]) == (404, "grant-not-found")

    async def test_lists_page_and_narrow(self, http: httpx.AsyncClient, make: Make) -> None:
        head = await make.person(Role.AGENCY_HEAD, "330122")
        made = [
            (await apply(http, head, scope="330122", role=role)).json()["id"]
            for role in ("reviewer", "approver", "reviewer")
        ]
        ask = {"limit": "2", "state": "applied"}
        first = (await http.get(URL, params=ask, headers=head)).json()
        rest = (await http.get(URL, params={**ask, "after": first["next"]}, headers=head)).json()
        found = [one["id"] for one in first["items"] + rest["items"]]
        assert (found, rest["next"]) == (made[::-1], None)
        narrowed = await http.get(
            URL, params={"role": "approver", "state": "applied"}, headers=head
        )
        assert [one["id"] for one in narrowed.json()["items"]] == [made[1]]
        assert (await http.get(URL, params={"rôle": "x"}, headers=head)).status_code == 422

    async def test_the_list_is_read_from_an_index(self, owner: AsyncEngine) -> None:
        async with owner.connect() as connection:
            # Among few rows the planner may rather walk the keys backwards: only the area's index is left.
            await connection.execute(sa.text("SET enable_seqscan = off"))
            await connection.execute(sa.text("SET enable_indexscan = off"))
            plan = await connection.execute(sa.text(
                "EXPLAIN SELECT * FROM rights_grant WHERE area >= '330106' AND area < '330106:'"
                " ORDER BY id DESC LIMIT 51"
            ))  # fmt: skip
            assert "rights_grant_area_idx" in "\n".join(plan.scalars())


LIFE = """
           check    approve  grant    refuse   withdraw confirm  end
applied    checked  -        -        refused  withdrawn -        -
checked    -        approved -        refused  withdrawn -        -
approved   -        -        active   refused  withdrawn -        -
active     -        -        -        -        -        active   ended
"""


def test_the_whole_life() -> None:
    actions = list(dict.fromkeys(move.action for move in MOVES))
    states = list(dict.fromkeys(move.before for move in MOVES))
    table = {(move.before, move.action): move.after for move in MOVES}
    rows = [[" " * 10, *actions]]
    rows += [[f"{s:10}", *(table.get((s, a), "-") for a in actions)] for s in states]
    assert [" ".join(row).split() for row in rows] == [
        line.split() for line in LIFE.strip("\n").splitlines()
    ]
    assert len(table) == len(MOVES)
    assert {move.after for move in MOVES} - set(states) == OVER


class TestPlaces:
    @pytest.mark.parametrize(
        ("role", "scope", "area", "agency"),
        [
            (Role.REVIEWER, "330106", "330106", "330106"),
            (Role.REVIEWER, "330199", "3301", "330199"),
            (Role.REVIEWER, "339900", "33", "339900"),
            (Role.AUDITOR, "330000", "33", "339900"),
            (Role.AUDITOR, "330100", "3301", "330199"),
            (Role.OUTLET_ADMIN, "330106", "330106", "330106"),
        ],
    )
    def test_a_code_alone_says_what_the_registry_says(
        self, state: State, role: Role, scope: str, area: str, agency: str
    ) -> None:
        desk = state.desk
        found = posts.place(role, scope, desk.registry, desk.agencies, desk.divisions, {})
        assert found == bare_post(role, scope) == Post(role, scope, area, agency)

    @pytest.mark.parametrize(
        ("parties", "area"),
        [
            (["330000"], "33"), (["330106", "330105"], "3301"), (["330106"], "330106"),
            (["330106", "330302"], "33"), ([], ""),
        ],
    )  # fmt: skip
    def test_a_bank_is_where_its_agreements_are(
        self, state: State, parties: list[str], area: str
    ) -> None:
        desk = state.desk
        known = {"SRCB": parties}
        found = posts.place(
            Role.BANK_ADMIN, "SRCB", desk.registry, desk.agencies, desk.divisions, known
        )
        assert found is not None
        assert found.area == area

    def test_the_city_decides_for_its_counties(self) -> None:
        post = bare_post(Role.REVIEWER, "330106")
        for scope, holds in (("330100", True), ("330000", True), ("330200", False)):
            admin = person("a", [Held(Role.RIGHTS_ADMIN, scope)])
            assert chain.covers(admin, May.GRANT_GRANT, post) == holds

    def test_a_post_without_a_place_is_the_provinces(self) -> None:
        post = bare_post(Role.BANK_ADMIN, "SRCB")
        for scope, holds in (("330000", True), ("330100", False)):
            admin = person("a", [Held(Role.RIGHTS_ADMIN, scope)])
            assert chain.covers(admin, May.GRANT_GRANT, post) == holds

    def test_every_role_has_a_place(self) -> None:
        assert {bare_post(role, "330106").role for role in Role} == set(SCOPES)


class TestFirstPosts:
    async def test_the_first_is_appointed_and_no_other(self, state: State) -> None:
        """So a service that has nobody yet gets the four of the chain, and no fifth this way."""
        place = (Role.AGENCY_HEAD, "330225")
        async with transaction(state.sessions) as session:
            await service.appoint(session, "hr:first", *place, by="person:operator")
        for subject, post, error in (
            ("hr:second", place, GrantHeld), ("hr:x", (Role.REVIEWER, "330225"), Forbidden),
            ("hr:x", (Role.RIGHTS_ADMIN, "330225"), ScopeInvalid),
            ("hr:first", (Role.CONTROL_OFFICER, "330225"), PostsExclude),
        ):  # fmt: skip
            with pytest.raises(error):
                async with transaction(state.sessions) as session:
                    await service.appoint(session, subject, *post, by="person:operator")
