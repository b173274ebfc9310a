"""Outlets, terminals and tellers for the load, and what their tellers send."""

import asyncio
import json
import random
import time
import urllib.error
import urllib.request
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from joserfc.jwk import ECKey

from access.tokens import Tokens
from bench.load import PERSON, id_number
from bench.processes import ROOT, BenchFailed
from cli.home import cluster_of
from cli.load import load_registry, shipped_guide
from cli.sample import agreement_number, townships
from kit.crypto import load_keys
from kit.db import make_engine, make_sessions
from kit.embedded import SERVICE
from kit.ids import uuid7
from kit.settings import Settings

DATA = ROOT / "data"
MATTER = "332014901008"
LARGE, SMALL, EACH = 90, 70, 3
"""Terminals of the one large outlet, small outlets, terminals of each: the large one has 30 % of all."""

HOURS = 4
SEEN_SECONDS = 30.0


class Sample(NamedTuple):
    """Sizes and tag that the reference lines need, as the service answers."""

    guide: int
    """Bytes of a guide."""
    made: int
    """Bytes of the answer to a submission."""
    etag: str


def seed(home: Path) -> list[str]:
    """Add outlets all over the province to the running service's registry; give tellers' tokens."""
    rows: dict[str, list[dict[str, Any]]] = {"outlets": [], "terminals": [], "tellers": []}
    counties = sorted({(place.county, place.code) for place in townships(_divisions())})
    key = ECKey.generate_key("P-256").as_dict(private=False)
    tokens = Tokens(load_keys(Settings(home=home)), local_people=True)
    made = []
    for nth, (county, place) in enumerate(islice(counties, 0, None, len(counties) // (SMALL + 1))):
        if nth > SMALL:
            break
        number = f"{county}9{nth:05}"
        rows["outlets"].append(_outlet(number, place))
        teller = f"{number}-01"
        rows["tellers"].append({
            "code": teller, "outlet": number, "status": "active",
            "qualified_until": date(2099, 1, 1), "version": 1,
        })  # fmt: skip
        for _ in range(EACH if nth else LARGE):
            terminal = uuid7()
            rows["terminals"].append({
                "id": terminal, "outlet": number, "name": "测试终端", "status": "active",
                "public_jwk": key, "version": 1,
            })  # fmt: skip
            made.append(tokens.for_terminal(str(terminal), number, teller, seconds=HOURS * 3600))
    asyncio.run(_put(home, rows))
    random.Random(0).shuffle(made)
    return made


def _divisions() -> Path:
    return DATA / "divisions" / "divisions.csv"


def _outlet(number: str, place: str) -> dict[str, Any]:
    return {
        "number": number, "name": f"测试网点{number}(样例)", "bank": "SRCB",
        "agreement": agreement_number("SRCB"), "kind": "bank_branch", "service_class": "premium",
        "status": "active", "division": place, "address": "样例路1号", "phone": "12333",
        "hours": "", "windows": 1, "is_sample": True, "version": 1,
    }  # fmt: skip


async def _put(home: Path, rows: dict[str, list[dict[str, Any]]]) -> None:
    engine = make_engine(cluster_of(home).url(SERVICE), pool_size=1)
    try:
        await load_registry(make_sessions(engine), rows)
    finally:
        await engine.dispose()


def body() -> str:
    """Write a submission as JSON, with `PERSON` for the applicant's number."""
    content = shipped_guide(MATTER).guide.model_dump(mode="json")
    materials = [
        {"code": m["code"], "exemption": m["exemptions"][0]}
        for m in content["materials"]
        if m["necessity"] != "optional" and m["exemptions"]
    ]
    return json.dumps({
        "matter": MATTER,
        "applicant": {
            "kind": "person", "name": "测试甲", "id_type": "resident_id", "id_number": PERSON,
            "phone": "13900000001",
        },
        "form": content["form_schema"]["examples"][0], "materials": materials,
        "accept": True, "consent": True,
    }, ensure_ascii=False)  # fmt: skip


def head(method: str, path: str, token: str, *more: str) -> str:
    """Write a request's head, without its empty line."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        *more,
    ]
    return "".join(f"{line}\r\n" for line in lines)


def sample(port: int, token: str, serial: int) -> Sample:
    """Look up the guide and hand in an application once; wait until the service knows the teller.

    Raises:
        BenchFailed: the service refuses them.
    """
    deadline = time.monotonic() + SEEN_SECONDS
    while True:
        try:
            guide, etag = _call(port, f"/v1/matters/{MATTER}/guide", token)
            made, _ = _call(port, "/v1/applications", token, serial)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            if error.code != 401 or time.monotonic() > deadline:
                raise BenchFailed(f"the service answers {error.code}: {said}") from None
            time.sleep(0.2)
        except urllib.error.URLError as error:
            raise BenchFailed(f"the service is gone: {error.reason}") from None
        else:
            return Sample(guide, made, etag)


def _call(port: int, path: str, token: str, serial: int | None = None) -> tuple[int, str]:
    headers, data = {"Authorization": f"Bearer {token}"}, None
    if serial is not None:
        data = body().replace(PERSON, id_number(serial)).encode()
        headers |= {"Idempotency-Key": f"bench-{serial:012}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return len(answer.read()), answer.headers.get("ETag", "")
