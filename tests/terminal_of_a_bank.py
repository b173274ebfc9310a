"""A small terminal of a bank, as it should be; what it does wrong in a test is said by a class that changes it.

It is no client of ours: it knows the contract and nothing else.
"""

import asyncio
import base64
import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from kit.receipts import ReceiptFalse, read
from kit.signing import Trusted, key_id
from schemas.samples import SAMPLES, Outcome, Sample

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ENROL, RECORD = "332014901001", "332014901008"
MATTERS = {Outcome.CORE_AWAY: RECORD, Outcome.SLOW: RECORD}
ACCEPTS = frozenset({Outcome.CORE_AWAY, Outcome.SLOW, Outcome.DENIED})
CARD = [{"code": "id_card", "exemption": "card_read"}]
TRIES = 6


class GivenUp(Exception):
    """The client has had enough."""


class Terminal:
    """Does right."""

    def __init__(
        self, http: httpx.AsyncClient, terminal: str, key: ECKey, teller: str, audience: str
    ) -> None:
        self.http, self.terminal, self.key = http, terminal, key
        self.teller, self.audience = teller, audience
        self.token = ""
        self.kept: dict[str, tuple[str, Any]] = {}
        self.keys: Trusted = {}

    def jti(self) -> str:
        return uuid.uuid4().hex

    async def sign_in(self) -> None:
        claims = {
            "iss": self.terminal, "sub": self.terminal, "aud": self.audience, "exp": int(time.time()) + 60,
            "jti": self.jti(), "teller": self.teller,
        }  # fmt: skip
        form = {
            "grant_type": "client_credentials", "client_assertion_type": TYPE,
            "client_assertion": jwt.encode({"alg": "ES256"}, claims, self.key),
        }  # fmt: skip
        answer = await self.http.post("/v1/oauth/token", data=form)
        if not answer.is_success:
            raise GivenUp(answer.json()["code"])
        self.token = answer.json()["access_token"]

    async def pause(self, answer: httpx.Response) -> None:
        await asyncio.sleep(int(answer.headers.get("retry-after", "0")))

    def again(self, answer: httpx.Response) -> bool:
        return answer.status_code in (429, 502, 503) or "retry-after" in answer.headers

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Call until there is an answer that says something."""
        headers = more.pop("headers", {})
        for _ in range(TRIES):
            if not self.token:
                await self.sign_in()
            who = {"Authorization": f"Bearer {self.token}"}
            try:
                answer = await self.http.request(method, path, headers={**headers, **who}, **more)
            except httpx.TransportError:
                self.broken(headers)
                continue
            if answer.status_code == 401:
                await self.unknown()
            elif self.again(answer):
                await self.pause(answer)
            else:
                return answer
        return answer

    async def unknown(self) -> None:
        self.token = ""

    def broken(self, headers: dict[str, str]) -> None:
        """Nothing is to be done: the same is sent again."""

    async def get(self, path: str) -> Any:
        """Read what is kept, unless it has changed."""
        tag, body = self.kept.get(path, ("", None))
        known = {"If-None-Match": tag} if tag else {}
        answer = await self.call("GET", path, headers=known)
        if answer.status_code == 304:
            return body
        self.kept[path] = (answer.headers.get("etag", ""), answer.json())
        return answer.json()

    def new_key(self) -> str:
        return uuid.uuid4().hex

    def application(self, sample: Sample, guide: Any) -> dict[str, Any]:
        return {
            "matter": guide["matter"], "form": guide["form_schema"]["examples"][0], "materials": CARD,
            "applicant": {
                "kind": "person", "name": sample.name, "id_type": "resident_id", "id_number": sample.id_number,
                "phone": sample.phone,
            },
            "accept": sample.outcome in ACCEPTS, "consent": True,
        }  # fmt: skip

    async def submit(self, sample: Sample) -> str:
        guide = await self.get(f"/v1/matters/{MATTERS.get(sample.outcome, ENROL)}/guide")
        headers, body = {"Idempotency-Key": self.new_key()}, self.application(sample, guide)
        for sent in (*self.slips(sample, body), body):
            answer = await self.call("POST", "/v1/applications", json=sent, headers=headers)
        return str(answer.json().get("number", ""))

    def slips(self, sample: Sample, body: dict[str, Any]) -> list[dict[str, Any]]:
        """What a teller forgets first; all of it is told at once, and mended at once."""
        return [{**body, "materials": [], "form": {}}] if sample.outcome is Outcome.SLOW else []

    async def look(self, number: str) -> Any:
        return (await self.call("GET", f"/v1/applications/{number}")).json()

    async def act(self, number: str, action: dict[str, Any]) -> Any:
        seen = await self.look(number)
        for _ in range(TRIES):
            if action["action"] not in seen["actions"]:
                return seen
            answer = await self.call(
                "POST", f"/v1/applications/{number}/actions", json=action,
                headers={"If-Match": f'"{seen["version"]}"'},
            )  # fmt: skip
            if answer.status_code != 412:
                return answer.json()
            seen = await self.read_again(number, seen)
        return seen

    async def read_again(self, number: str, seen: Any) -> Any:
        return await self.look(number)

    async def follow(self, number: str) -> None:
        """Do what is to be done next, as it comes."""
        seen = await self.look(number)
        if seen["state"] == "correction":
            await self.correct(number)
        elif seen["state"] == "completed":
            await self.receipt(number, seen["documents"][-1])
            await self.act(number, {"action": "deliver", "way": "counter", "received_by": "样例"})

    async def correct(self, number: str) -> None:
        await self.act(number, {"action": "supply", "materials": CARD, "form": await self.form()})

    async def form(self) -> Any:
        return (await self.get(f"/v1/matters/{ENROL}/guide"))["form_schema"]["examples"][0]

    async def receipt(self, number: str, code: str) -> None:
        """Take a receipt that holds; one that does not is asked for anew."""
        if not self.keys:
            await self.learn_keys()
        for _ in range(TRIES):
            told = await self.call("GET", f"/v1/applications/{number}/documents/{code}.json")
            if self.believes(told.json()["receipt"]):
                return

    async def learn_keys(self) -> None:
        self.keys = trusted((await self.get("/v1/receipt-keys"))["items"])

    def believes(self, receipt: str) -> bool:
        try:
            read(receipt, self.keys)
        except ReceiptFalse:
            return False
        return True

    async def submit_all(self) -> list[str]:
        return [await self.submit(sample) for sample in SAMPLES]


def trusted(items: list[dict[str, str]]) -> Trusted:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    raw = [base64.b64decode(item["public_key"]) for item in items]
    found = [Ed25519PublicKey.from_public_bytes(one) for one in raw]
    return {key_id(key): key for key in found}


ENDS = frozenset({"delivered", "refused"})
LOOKS, PERIOD = 60, 1.0


async def main(card: dict[str, Any], base_url: str) -> None:
    """Hand in every sample applicant at a sandbox, and follow each to its end."""
    key = ECKey.import_key(card["terminal"]["private_jwk"])
    audience = f"{card['base_url']}/v1/oauth/token"
    async with httpx.AsyncClient(base_url=base_url, timeout=30) as http:
        terminal = Terminal(http, card["terminal"]["id"], key, card["teller"], audience)
        waiting = await terminal.submit_all()
        for _ in range(LOOKS):
            for number in waiting:
                await terminal.follow(number)
            waiting = [n for n in waiting if (await terminal.look(n))["state"] not in ENDS]
            if not waiting:
                return
            await asyncio.sleep(PERIOD)
    raise SystemExit(f"no end: {waiting}")


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text()), os.environ["SYT_BASE_URL"]))
