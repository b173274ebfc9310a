"""Who uses the service while it is harmed: each repeats what was not answered, and writes down what was."""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from hashlib import sha256
from itertools import count
from typing import Any

import httpx

from access.policy import Role
from bench.load import id_number
from cli.load import shipped_guide
from torture.journal import Acted, Journal, Made, Read, Stored
from torture.people import Official, People, Teller

TIMEOUT = 15.0
PAUSE = 0.1
"""Seconds before something is tried again."""

RECORD, PENSION = "332014901008", "332014901003"
"""Decided by one person; decided by two, with a file among its materials."""

FILES, LATER_ACCEPTED, REPEATED, GIVEN_BACK, DENIED = 0.15, 0.25, 0.1, 0.1, 0.2
"""Parts of submissions and claims that have a file, are accepted by an official, and so on."""

PERSONS = 30_000_000

Json = dict[str, Any]


class Clients:
    """Everybody who uses the service, and their journal."""

    def __init__(self, url: str, people: People, journal: Journal, seed: str) -> None:
        self._people, self.journal = people, journal
        self._random = random.Random(seed)
        self._http = httpx.AsyncClient(
            base_url=url, timeout=TIMEOUT, limits=httpx.Limits(max_keepalive_connections=40)
        )
        self._serials, self._seed, self.over = count(), seed, False
        self._bodies = {matter: _body(matter) for matter in (RECORD, PENSION)}
        self._add_readers()

    def _add_readers(self) -> None:
        first, *_, last = self._people.tellers
        reviewer = self._people.officials[Role.REVIEWER][0]
        auditor = self._people.officials[Role.AUDITOR][0]
        self._reads: dict[str, str] = {
            "of the province": auditor.token, "of the agency": reviewer.token,
            "of the first outlet": first.token, "of the last outlet": last.token,
        }  # fmt: skip
        reaches = (("agency", "33"), ("agency", "330106"), ("outlet", first.outlet),
                   ("outlet", last.outlet))  # fmt: skip
        for name, (column, prefix) in zip(self._reads, reaches, strict=True):
            self.journal.readers.setdefault(name, Read(column, prefix))

    async def __aenter__(self) -> "Clients":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    def everybody(self) -> Iterator[Awaitable[None]]:
        """Give what everyone does until `over`."""
        officials = self._people.officials
        for teller in self._people.tellers:
            yield self._for_ever(self._hand_in, teller)
        for outlet in {teller.outlet: teller for teller in self._people.tellers}.values():
            yield self._for_ever(self._deliver, outlet)
        for official in officials[Role.ACCEPTANCE_OFFICER]:
            yield self._for_ever(self._accept, official)
        for official in officials[Role.REVIEWER] + officials[Role.SECOND_REVIEWER]:
            yield self._for_ever(self._work_off, official)
        for name in self._reads:
            yield self._for_ever(self.read_on, name)
        yield self._for_ever(self._look_up, self._people.tellers[-1])

    async def _for_ever(self, work: Callable[[Any], Awaitable[object]], who: Any) -> None:
        while not self.over:
            await work(who)

    async def call(self, method: str, path: str, token: str, **more: Any) -> httpx.Response | None:
        """Send a request and note the answer; None where the connection ended without one."""
        headers = {"Authorization": token, **more.pop("headers", {})}
        began = time.monotonic()
        try:
            answer = await self._http.request(method, path, headers=headers, **more)
        except httpx.TransportError:
            self.journal.answers["lost"] += 1
            return None
        took = time.monotonic() - began
        self.journal.note(
            f"{method} {path.partition('?')[0]}", answer.status_code, took, answer.text
        )
        return answer

    async def right(self, method: str, path: str, token: str, **more: Any) -> Any:
        """Send a request; give its content where the answer is right, None after a pause if not."""
        answer = await self.call(method, path, token, **more)
        if answer is not None and answer.status_code in (200, 201):
            return answer.json()
        await asyncio.sleep(PAUSE * self._random.uniform(0.5, 2))
        return None

    async def _hand_in(self, teller: Teller) -> None:
        """Hand in one application; the same again, under its key, until it is acknowledged."""
        has_file = self._random.random() < FILES
        stored = await self.upload(teller) if has_file else None
        if has_file and stored is None:
            return
        key, body = f"torture-{self._seed}-{next(self._serials)}", self._draw_body(stored)
        self.journal.tried[key] = teller.terminal
        while not self.over and not await self.submit(teller, key, body):
            pass
        if self._random.random() < REPEATED:
            await self.submit(teller, key, body)

    async def submit(self, teller: Teller, key: str, body: Json) -> bool:
        """Send a submission; tell whether it was acknowledged."""
        made = await self.right(
            "POST", "/v1/applications", teller.token, json=body, headers={"Idempotency-Key": key}
        )
        if made is not None:
            files = [m["file"] for m in body["materials"] if "file" in m]
            self.journal.made.append(Made(teller.terminal, key, made["number"], *files))
        return made is not None

    def _draw_body(self, stored: Stored | None) -> Json:
        body: Json = json.loads(json.dumps(self._bodies[PENSION if stored else RECORD]))
        body["applicant"]["id_number"] = id_number(self._random.randrange(PERSONS))
        body["accept"] = self._random.random() > LATER_ACCEPTED
        if stored is not None:
            body["materials"].append({"code": "claim_form", "file": stored.file})
        return body

    async def upload(self, teller: Teller) -> Stored | None:
        """Send a file of up to some hundred KiB; None where it was not acknowledged."""
        content = b"%PDF-1.7\n" + self._random.randbytes(
            self._random.choice((900, 90_000, 400_000))
        )
        made = await self.right(
            "POST", "/v1/files", teller.token, files={"file": ("scan.pdf", content)}
        )
        if made is None:
            return None
        stored = Stored(made["file"], sha256(content).hexdigest(), len(content), teller.token)
        self.journal.stored.append(stored)
        return stored

    async def check_file(self, stored: Stored) -> None:
        """Read an acknowledged file back."""
        answer = await self.call("GET", f"/v1/files/{stored.file}", stored.sender)
        if answer is None or sha256(answer.content).hexdigest() != stored.sha256:
            self.journal.wrong.append(
                f"file {stored.file[:12]}: expected the {stored.size} bytes that were sent, answered {answer}"
            )

    async def _accept(self, official: Official) -> None:
        """Accept what has been received at the agency."""
        await self._each(official, "received", "accept", "application.accepted")

    async def _deliver(self, teller: Teller) -> None:
        """Deliver what has been completed for the outlet."""
        words = {"way": "counter", "received_by": "测试甲"}
        await self._each(teller, "completed", "deliver", "application.delivered", **words)

    async def _each(
        self, who: Official | Teller, state: str, action: str, kind: str, **words: str
    ) -> None:
        path = f"/v1/applications?state={state}&limit=20"
        page = await self.right("GET", path, who.token)
        for row in (page or {}).get("items", []):
            if not self.over:
                await self._act(who, row, action, kind, **words)
        await asyncio.sleep(PAUSE)

    async def _act(
        self, who: Official | Teller, row: Json, action: str, kind: str, **words: str
    ) -> Json | None:
        """Take an action until it is answered; a stale version says that it, or another's, was taken."""
        for _ in range(20):
            answer = await self.call(
                "POST", f"/v1/applications/{row['number']}/actions", who.token,
                json={"action": action, **words}, headers={"If-Match": f'"{row["version"]}"'},
            )  # fmt: skip
            if answer is not None and answer.status_code in (200, 409, 412):
                break
            await asyncio.sleep(PAUSE)
        if answer is None or answer.status_code != 200:
            return None
        done: Json = answer.json()
        self._note(done, kind, who.actor, worded=bool(words))
        return done

    def _note(self, row: Json, kind: str, actor: str, *, worded: bool = False) -> None:
        acted = Acted(row["number"], row["version"], row["state"], kind, actor, worded)
        self.journal.acted.append(acted)

    async def _work_off(self, official: Official) -> None:
        """Claim, and decide, pass on or give back what was claimed; also what an earlier claim left."""
        claimed = await self.right("POST", "/v1/tasks/claim", official.token, json={"limit": 3})
        for row in (claimed or {}).get("items", []):
            first = row["state"] == "in_review"
            self._note(row, f"application.{'taken' if first else 'claimed'}", official.actor)
            await self._decide(official, row)
        left = await self.right("GET", "/v1/tasks?mine=true&limit=10", official.token)
        for row in (left or {}).get("items", []):
            await self._decide(official, row)
        if not (claimed or {}).get("items"):
            await asyncio.sleep(PAUSE)

    async def _decide(self, official: Official, row: Json) -> None:
        if self._random.random() < GIVEN_BACK:
            await self._give_back(official, row)
        elif "pass" in row["actions"]:
            await self._act(official, row, "pass", "application.passed", opinion="初审通过")
        elif self._random.random() < DENIED:
            words = {"reason": "BY02", "opinion": "年限不足"}
            await self._act(official, row, "deny", "application.denied", **words)
        else:
            await self._act(official, row, "grant", "application.granted", opinion="同意")

    async def _give_back(self, official: Official, row: Json) -> None:
        path = f"/v1/tasks/{row['number']}/release"
        released = await self.right("POST", path, official.token)
        if released is not None and released["version"] > row["version"]:
            self._note(released, "application.released", official.actor)

    async def read_on(self, name: str) -> int:
        """Read the next page of the feed; give how many events it had, -1 where it was not answered."""
        reader = self.journal.readers[name]
        after = {"after": reader.mark} if reader.mark else {}
        page = await self.right(
            "GET", "/v1/events", self._reads[name], params={"limit": 200, **after}
        )
        if page is None:
            return -1
        reader.events += [int(event["id"]) for event in page["items"]]
        reader.mark = page["next"]
        await asyncio.sleep(0 if page["items"] else PAUSE)
        return len(page["items"])

    async def read_out(self) -> None:
        """Read the feed to its end, for every reader."""
        for name in self._reads:
            while await self.read_on(name):
                pass

    async def _look_up(self, teller: Teller) -> None:
        await self.right("GET", f"/v1/matters/{RECORD}/guide", teller.token)
        await asyncio.sleep(PAUSE)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Let everybody work while the block runs, and end what they have under way."""
        self.over = False
        tasks = [asyncio.ensure_future(work) for work in self.everybody()]
        try:
            yield
        finally:
            self.over = True
            await asyncio.gather(*tasks)


def _body(matter: str) -> Json:
    """Make a submission of the guide's own example, without files."""
    guide = shipped_guide(matter).guide.model_dump(mode="json")
    materials = [
        {"code": m["code"], "exemption": m["exemptions"][0]}
        for m in guide["materials"]
        if m["necessity"] != "optional" and m["exemptions"]
    ]
    person = {
        "kind": "person", "name": "测试甲", "id_type": "resident_id", "id_number": "",
        "phone": "13900000001",
    }  # fmt: skip
    return {
        "matter": matter, "applicant": person, "form": guide["form_schema"]["examples"][0],
        "materials": materials, "accept": True, "consent": True,
    }  # fmt: skip
