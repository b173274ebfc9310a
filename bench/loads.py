"""The loads of `bench.scale`: what is asked for, by whom, and how many requests there are."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from access.callers import Held, person
from access.policy import Role
from api.paging import Pager
from api.state import State
from bench.client import Wire, get, post
from bench.fill import LARGE_AGENCY
from bench.load import Plan, requests
from bench.people import People, large_outlet
from bench.processes import BenchFailed
from bench.seed import body, head
from cli.home import cluster_of
from kit.clock import today
from kit.crypto import load_keys
from kit.embedded import DATABASE
from kit.settings import Settings
from schemas.applications import ApplicationFilter, Light, TaskFilter
from schemas.events import EventFilter

RARE, COMMON, NEVER = "332014901016", "332014901008", "332014901999"
"""Matters: one in a thousand, three in ten, and one that nobody ever handed in."""

PAGES = 8
"""How many pages on a later page is."""

SAMPLED = 400
NUMBERS = """
    SELECT number FROM application
    TABLESAMPLE SYSTEM (least(100, 100 * 4000.0 / {rows})) WHERE agency = '{agency}' LIMIT {sampled}
"""
GIVE_BACK = """
    UPDATE application SET state = 'accepted', claimed_by = NULL, claimed_until = NULL
    WHERE claimed_by = 'person:scale-reviewer' AND state = 'in_review'
"""
GRANT = json.dumps(
    {"action": "grant", "opinion": "符合条件", "result": {"number": "样例-1"}}
).encode()
LISTS, CLAIMS, SUBMISSIONS, OTHERS = "lists", "claims", "submissions", "others"
NOTHING = "nothing asked"
"""Its ratio shows the noise that is left: the database's size is none of its business."""

AIMED = frozenset({LISTS, CLAIMS, SUBMISSIONS})
"""Kinds of loads for which there is an aim."""


@dataclass(frozen=True)
class Load:
    """One kind of call."""

    name: str
    kind: str
    requests: Callable[[], Iterable[bytes]]
    status: int = 200
    before: Callable[[], None] = lambda: None
    """Done before each round, untimed."""
    shape: str = ""
    """How many items an answer holds: pages of other lengths cost other times."""


class Site(NamedTuple):
    """A filled service that runs."""

    home: Path
    port: int
    rows: int
    people: People
    tellers: list[str]
    supervisor: int
    """The process over its parts."""


async def loads(site: Site, serials: Iterator[int]) -> list[Load]:
    """Make all loads; lists are asked for once, to see how long they are."""
    made = [load async for load in _lists(site)]
    ready = get("/health/ready", site.people.reviewer)
    nothing = Load("`/health/ready`", NOTHING, lambda: cycle([ready]))
    work = [*_one_by_one(site), *_feed(site), *_work(site), _submission(site, serials)]
    return [nothing, *made, *work]


def filters() -> dict[str, dict[str, Any]]:
    """Give every filter of the list of applications, by its name: each field alone, and some together."""
    back = today() - timedelta(days=90)
    singles: dict[str, dict[str, Any]] = {
        "all": {},
        "state=delivered": {"state": "delivered"},
        "state=voided (1 in 1000)": {"state": "voided"},
        "state=accepted": {"state": "accepted"},
        "matter, 30 %": {"matter": COMMON},
        "matter, 1 in 1000": {"matter": RARE},
        "matter, never": {"matter": NEVER},
        "agency": {"agency": LARGE_AGENCY},
        "outlet": {"outlet": ""},
        "received_to, 90 days ago": {"received_to": back},
        "received_from, 90 days ago": {"received_from": back},
        "state and matter": {"state": "refused", "matter": COMMON},
        "pooled=true (none)": {"pooled": "true"},
        "pooled=false": {"pooled": "false"},
    }
    singles |= {f"light={light}": {"light": light} for light in Light}
    fields = {name for narrow in singles.values() for name in narrow}
    missing = set(ApplicationFilter.model_fields) - fields - {"limit", "after"}
    if missing:
        raise BenchFailed(f"filters that no load has: {missing}")
    return singles


async def _lists(site: Site) -> Any:
    large = large_outlet(site.home)
    async with Wire.to(site.port) as wire:
        for who, token in site.people._asdict().items():
            for name, narrow in filters().items():
                path = _path("/v1/applications", _filled(narrow, large))
                yield await _list(wire, f"{who}: {name}", path, token)
            later = await _later(wire, "/v1/applications", token)
            yield await _list(wire, f"{who}: page {PAGES + 1}", later, token)
        for name, value in _task_filters():
            narrow = {name: value} if name else {}
            called = f"work list: {name or 'all'}{'=' if name else ''}{value}"
            path = _path("/v1/tasks", narrow)
            yield await _list(wire, called, path, site.people.reviewer)
        later = await _later(wire, "/v1/tasks", site.people.reviewer)
        yield await _list(wire, f"work list: page {PAGES + 1}", later, site.people.reviewer)


def _filled(narrow: dict[str, Any], large: str) -> dict[str, Any]:
    return {"outlet": large} if "outlet" in narrow else narrow


def _task_filters() -> list[tuple[str, str]]:
    found = [("", ""), ("step", "review"), ("mine", "true"), ("agency", LARGE_AGENCY)]
    found += [("light", light) for light in ("green", "yellow", "red", "overdue")]
    if missing := set(TaskFilter.model_fields) - {n for n, _ in found} - {"limit", "after"}:
        raise BenchFailed(f"filters of the work list that no load has: {missing}")
    return found


def _path(base: str, narrow: dict[str, Any]) -> str:
    return base + ("?" + "&".join(f"{k}={v}" for k, v in narrow.items()) if narrow else "")


async def _list(wire: Wire, name: str, path: str, token: str) -> Load:
    request = get(path, token)
    answer = await wire.call(request)
    if answer.status != 200:
        raise BenchFailed(f"{name} is answered {answer.status}: {answer.body[:300]!r}")
    shape = str(len(json.loads(answer.body)["items"]))
    return Load(name, LISTS, lambda: cycle([request]), shape=shape)


async def _later(wire: Wire, base: str, token: str) -> str:
    path = base
    for _ in range(PAGES):
        following = json.loads((await wire.call(get(path, token))).body)["next"]
        if following is None:
            break
        path = f"{base}?after={following}"
    return path


def _one_by_one(site: Site) -> Iterator[Load]:
    token = site.people.reviewer
    asked = NUMBERS.format(rows=site.rows, agency=LARGE_AGENCY, sampled=SAMPLED)
    numbers = cluster_of(site.home).psql(asked, database=DATABASE).split()
    for name, path in (
        ("application by number", "/v1/applications/{}"),
        ("its own events", "/v1/applications/{}/events"),
    ):
        found = [get(path.format(number), token) for number in numbers]
        yield Load(name, OTHERS, lambda found=found: cycle(found))  # type: ignore[misc]


def _feed(site: Site) -> Iterator[Load]:
    """Read the feed from its start, and from a page before its end, where who follows it is."""
    last = int(cluster_of(site.home).psql("SELECT seq FROM event_sequencer", database=DATABASE))
    keys = load_keys(Settings(home=site.home))
    people = (
        ("reviewer", site.people.reviewer, person("scale-reviewer", [Held(Role.REVIEWER, LARGE_AGENCY)])),
        ("auditor", site.people.auditor, person("scale-auditor", [Held(Role.AUDITOR, "330000")])),
    )  # fmt: skip
    for who, token, caller in people:
        held = cast(State, SimpleNamespace(keys=keys))
        pager = Pager(held, "events", caller, EventFilter(), lasting=True)
        for place, seq in (("start", 0), ("middle", last // 2), ("end", last - 100)):
            request = get(f"/v1/events?after={pager.mark([1, seq])}", token)
            yield Load(f"feed of the {who} from its {place}", OTHERS, lambda r=request: cycle([r]))  # type: ignore[misc]


def _work(site: Site) -> Iterator[Load]:
    token, give_back = site.people.reviewer, lambda: _give_back(site)
    one = post("/v1/tasks/claim", token, b'{"limit":1}')
    yield Load("claim of one", CLAIMS, lambda: cycle([one]), before=give_back)
    claimed: list[bytes] = []

    def prepare() -> None:
        _give_back(site)
        claimed[:] = _claim_some(site)

    yield Load("action: grant", OTHERS, lambda: claimed, before=prepare)


def _give_back(site: Site) -> None:
    cluster_of(site.home).psql(GIVE_BACK, database=DATABASE)


CLAIM_SOME = """
    WITH picked AS (
        SELECT number FROM application
        WHERE agency = '{agency}' AND state = 'accepted' AND risk_class = 1 AND claimed_by IS NULL
        ORDER BY due_on DESC, number LIMIT 250
    )
    UPDATE application a
    SET state = 'in_review', version = version + 1, reviewed_by = 'person:scale-reviewer',
        claimed_by = 'person:scale-reviewer', claimed_until = now() + interval '1 day'
    FROM picked WHERE a.number = picked.number
    RETURNING a.number || ' ' || a.version
"""


def _claim_some(site: Site) -> list[bytes]:
    said = cluster_of(site.home).psql(CLAIM_SOME.format(agency=LARGE_AGENCY), database=DATABASE)
    pairs = [line.split() for line in said.splitlines() if line.startswith("SYT")]
    return [
        post(f"/v1/applications/{n}/actions", site.people.reviewer, GRANT, f'If-Match: "{version}"')
        for n, version in pairs
    ]


def _submission(site: Site, serials: Iterator[int]) -> Load:
    return Load("submission", SUBMISSIONS, lambda: submissions(site, next(serials)), status=201)


def submissions(site: Site, first: int) -> Iterator[bytes]:
    """Give submissions without an end, each of another person under another key."""
    heads = [
        head("POST", "/v1/applications", token, "Content-Type: application/json")
        for token in site.tellers
    ]
    return requests(Plan(site.port, 1, 1, 201, heads, body(), first))
