"""A busy day of many people; then all that was kept of it, database, files, log, feed, searched for them."""

import base64
import itertools
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from cli.home import cluster_of
from kit.clock import today
from kit.embedded import DATABASE
from tests import make
from tests.slow.service import Service, assert_all_gone, running, wait_for

pytestmark = pytest.mark.slow

PEOPLE = 12
SURNAMES, NAMES = "欧阳司徒上官夏侯诸葛", "澹台羲和钟离昉曦甯彧"
WEIGHTS, CHECKS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), "10X98765432"
serial = itertools.count(1)


class Person:
    """Somebody who is nobody else: each value of theirs can be searched for."""

    def __init__(self, draw: random.Random) -> None:
        self.name = "".join(draw.choices(SURNAMES, k=2) + draw.choices(NAMES, k=2))
        self.phone = f"139{draw.randrange(10**7, 10**8)}"
        first = f"3399001{draw.randrange(910, 999)}0{draw.randrange(1, 10)}1{draw.randrange(10)}"
        first += f"{draw.randrange(10**3):03}"
        check = CHECKS[sum(int(d) * w for d, w in zip(first, WEIGHTS, strict=True)) % 11]
        self.id_number = first + check
        self.words = f"{self.name}的情况{draw.randrange(10**9)}"
        self.scan = b"%PDF-1.4 " + self.words.encode() * 40

    @property
    def values(self) -> tuple[str, ...]:
        return self.name, self.phone, self.id_number, self.words

    def body(self, **more: Any) -> dict[str, Any]:
        applicant = {
            "kind": "person", "name": self.name, "id_type": "resident_id",
            "id_number": self.id_number, "phone": self.phone,
        }  # fmt: skip
        return make.body(applicant=applicant, **more)


class Life:
    """Everything that can be said of somebody is said: by the applicant, the teller and the agency."""

    def __init__(self, client: httpx.Client, service: Service, teller: dict[str, str]) -> None:
        self._client, self._teller = client, teller
        self._officer, self._reviewer = (
            service.person("acceptance_officer"),
            service.person("reviewer"),
        )
        self._auditor = service.person("auditor")

    def of(self, who: Person) -> None:
        row = self._decided(who, self._corrected(who, self._handed_in(who)))
        self._refused(who, f"/v1/applications/{row['number']}/actions")

    def _act(
        self, who: dict[str, str], row: dict[str, Any], action: str, **more: Any
    ) -> dict[str, Any]:
        answer = self._client.post(
            f"/v1/applications/{row['number']}/actions", json={"action": action, **more},
            headers=who | {"If-Match": f'"{row["version"]}"'},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _handed_in(self, who: Person) -> dict[str, Any]:
        scan = {"file": (f"{who.name}.pdf", who.scan)}
        file = self._client.post("/v1/files", files=scan, headers=self._teller)
        assert file.status_code == 201, file.text
        given = [{"code": "id_card", "file": file.json()["file"]}]
        made = self._client.post(
            "/v1/applications", json=who.body(accept=False, materials=given),
            headers=self._teller | {"Idempotency-Key": make.key()},
        )  # fmt: skip
        assert made.status_code == 201, made.text
        row: dict[str, Any] = made.json()
        return row

    def _corrected(self, who: Person, row: dict[str, Any]) -> dict[str, Any]:
        why = [{"code": "BZ02", "material": "id_card", "text": who.words}]
        until = (today() + timedelta(days=9)).isoformat()
        row = self._act(self._officer, row, "ask_correction", reasons=why, by=until)
        card = [{"code": "id_card", "exemption": "card_read"}]
        row = self._act(self._teller, row, "supply", materials=card)
        return self._act(self._officer, row, "accept")

    def _decided(self, who: Person, row: dict[str, Any]) -> dict[str, Any]:
        by, url = self._reviewer, f"/v1/applications/{row['number']}/reveal"
        row = self._act(by, row, "take")
        row = self._act(by, row, "propose_suspension", procedure="appraisal", basis=who.words)
        seen = self._client.post(url, json={"purpose": who.words}, headers=by)
        assert who.name in seen.text
        search = {"id_number": who.id_number, "purpose": who.words}
        found = self._client.post("/v1/access-records/search", json=search, headers=self._auditor)
        assert found.status_code == 200, found.text
        row = self._act(by, row, "grant", opinion=who.words, result={"number": who.words})
        return self._act(self._teller, row, "deliver", way="counter", received_by=who.name)

    def _refused(self, who: Person, url: str) -> None:
        for wrong in (
            {"action": "deliver", "received_by": who.name},
            {"name": who.name, "phone": who.phone},
        ):
            answer = self._client.post(url, json=wrong, headers=self._teller | {"If-Match": '"1"'})
            assert answer.status_code in (409, 412, 422)
            assert not any(value in answer.text for value in who.values)
        bad = self._client.post(
            "/v1/applications", json=who.body(form={"x": who.words}),
            headers=self._teller | {"Idempotency-Key": make.key()},
        )  # fmt: skip
        assert bad.status_code == 422, bad.text
        assert not any(value in bad.text for value in who.values)


def kept(home: Path) -> Iterator[tuple[str, bytes]]:
    """All that is kept: each table as PostgreSQL writes it, its own log, and every file of the home."""
    cluster = cluster_of(home)
    tables = cluster.psql(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
        database=DATABASE,
    ).split()
    assert len(tables) > 40
    for table in tables:
        yield table, cluster.psql(f"SELECT t::text FROM {table} t", database=DATABASE).encode()
    for path in home.rglob("*"):
        if path.is_file() and path.suffix != ".pid":
            yield str(path.relative_to(home)), path.read_bytes()


def written(value: str) -> list[bytes]:
    """How a value may stand there: as it is, as JSON escapes, in hexadecimal, in base64, as UTF-16."""
    plain = value.encode()
    escaped = value.encode("unicode_escape")
    return [
        plain,
        escaped,
        plain.hex().encode(),
        base64.b64encode(plain)[:-4],
        value.encode("utf-16-le"),
    ]


def told(client: httpx.Client, teller: dict[str, str]) -> str:
    """All that the feed tells, once it tells of everybody's end."""
    feed, query = "", {"limit": "200"}
    while True:
        page = client.get("/v1/events", params=query, headers=teller).json()
        feed += orjson.dumps(page).decode()
        if not page["items"]:
            return feed if feed.count("application.delivered") >= PEOPLE else ""
        query["after"] = page["next"]


def test_nothing_of_anybody_stands_anywhere_in_clear(spare: Path) -> None:
    draw = random.Random(20261125)
    people = [Person(draw) for _ in range(PEOPLE)]
    with running(spare, "demo") as service:
        teller = service.teller()
        with httpx.Client(base_url=service.url, timeout=30) as client:
            life = Life(client, service, teller)
            for who in people:
                life.of(who)
            feed = wait_for(lambda: told(client, teller))
        # What the database holds in memory is in its files then, too.
        cluster_of(spare).psql("CHECKPOINT", database=DATABASE)
        places = [("feed", feed.encode()), ("log", service.said().encode()), *kept(spare)]
        assert service.stop() == 0
    assert any("pg/" in name and "base" in name for name, _ in places)
    assert any(name.startswith("files") for name, _ in places)
    outlet = str(service.card["outlet"]).encode()
    seen = {name for name, text in places if outlet in text}
    assert {"feed", "application", "event_sequence"} <= seen  # What does stand in clear is found.
    found = {
        (name, nth)
        for nth, who in enumerate(people)
        for value in (*who.values, who.scan.decode()[-60:])
        for spelled in written(value)
        for name, text in places
        if spelled in text
    }
    assert not found
    assert_all_gone(spare)
