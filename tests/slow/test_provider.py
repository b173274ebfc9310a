"""People of a real OpenID Connect provider (canaille, as a process of its own): rotation, absence."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import RSAKey

from access import service
from access.issuers import Issuer
from access.policy import Role
from api.app import create_app
from api.issuers import IssuerWrong, fetch
from api.state import running
from kit.db import transaction
from kit.settings import Settings, TrustedIssuer
from tests.slow.provider import CLIENT, PASSWORD, PERSON, SECRET
from tests.slow.service import ROOT, environment, free_port

pytestmark = pytest.mark.slow
SECONDS = 20.0
Headers = dict[str, str]


class Provider:
    """The provider, started with some keys at a time."""

    def __init__(self, folder: Path) -> None:
        self.port, self._keys = free_port(), folder / "keys.json"
        self.url = f"http://127.0.0.1:{self.port}/"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *kids: RSAKey) -> None:
        self._keys.write_text(json.dumps([key.as_dict(private=True) for key in kids]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.slow.provider", str(self.port), str(self._keys)],
            cwd=ROOT, env=environment(self._keys.parent), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{self.url}.well-known/openid-configuration", trust_env=False)
                return
            time.sleep(0.1)
        raise AssertionError("the provider did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def token(self) -> Headers:
        """Sign in as the person: the provider's own token endpoint, and the provider's own token."""
        form = {
            "grant_type": "password", "username": PERSON, "password": PASSWORD, "scope": "openid",
        }  # fmt: skip
        answer = httpx.post(
            f"{self.url}oauth/token", data=form, auth=(CLIENT, SECRET), trust_env=False
        )
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    found = Provider(tmp_path)
    try:
        yield found
    finally:
        found.stop()


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Serve, once the keys have been read beside, or are known from before."""
    app = create_app(settings)
    async with running(app.state.syt):
        await asyncio.sleep(1)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://outlet.test") as http:
            yield http


async def until(http: httpx.AsyncClient, who: Headers, status: int) -> None:
    """Ask until the answer is as expected."""
    deadline = time.monotonic() + SECONDS
    while (answer := await http.get("/v1/applications", headers=who)).status_code != status:
        assert time.monotonic() < deadline, answer.text
        await asyncio.sleep(0.2)


async def test_people_of_a_provider(settings: Settings, provider: Provider, clean: None) -> None:
    one, two = (RSAKey.generate_key(2048, {"kid": kid}) for kid in ("one", "two"))
    trusted = TrustedIssuer(
        name="hr", url=provider.url, audience=CLIENT, refresh=2, longest=20 * 86_400
    )
    known = settings.model_copy(update={"issuers": (trusted,), "local_issuer": False})
    await asyncio.to_thread(provider.start, one)
    async with serving(known) as http:
        alice = await asyncio.to_thread(provider.token)
        answer = await http.get("/v1/applications", headers=alice)
        assert answer.status_code == 403  # Known, and without a right: a token grants nothing.
        async with transaction(http._transport.app.state.syt.sessions) as session:  # type: ignore[attr-defined]
            await service.ensure_grant(session, f"hr:{PERSON}", Role.AUDITOR, "330000", by="x")
        await until(http, alice, 200)

        # It turns to another key: a token signed with that is taken at once, one of the old key no more.
        await asyncio.to_thread(provider.stop)
        await asyncio.to_thread(provider.start, two)
        fresh = await asyncio.to_thread(provider.token)
        assert (await http.get("/v1/applications", headers=fresh)).status_code == 200
        await until(http, alice, 401)

        # It is away: who has a token of a known key is answered, here and by a process that starts now.
        await asyncio.to_thread(provider.stop)
        await asyncio.sleep(3)
        assert (await http.get("/v1/applications", headers=fresh)).status_code == 200
        async with serving(known) as other:
            assert (await other.get("/v1/applications", headers=fresh)).status_code == 200
            assert (await other.get("/v1/applications", headers=alice)).status_code == 401

        # It comes back with the old key: that is read beside the requests, by itself.
        await asyncio.to_thread(provider.start, one, two)
        await until(http, alice, 200)


async def test_another_provider_at_the_address_is_not_believed(provider: Provider) -> None:
    """It shows keys, and calls itself otherwise than the settings do."""
    key = RSAKey.generate_key(2048, {"kid": "elsewhere"})
    url = provider.url.replace("127.0.0.1", "localhost")
    await asyncio.to_thread(provider.start, key)
    right = Issuer(TrustedIssuer(name="hr", url=url, audience=CLIENT))
    right.take(await fetch(right))
    assert set(right.keys) == {"elsewhere"}
    with pytest.raises(IssuerWrong):
        await fetch(Issuer(TrustedIssuer(name="hr", url=url[:-1], audience=CLIENT)))
