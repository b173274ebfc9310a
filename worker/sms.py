"""The way to a gateway of text messages: one call, JSON, a bearer key."""

import httpx

from kit.settings import Settings
from notices.service import GatewayAway, GatewayRefused

SECONDS = 10.0
"""For a whole call: far less than a notice is leased."""

LATER = frozenset({408, 425, 429})
"""Refusals that say when, not whether."""

PROOF = 100


class SmsGateway:
    """Sends messages by `POST {url}/messages` `{id, to, text}`; the answer is `{id, message}`.

    A repeat under one id is the same message: the gateway drops it and gives the same answer.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def send(self, id_: str, phone: str, text: str) -> str:
        """Send a message.

        Raises:
            GatewayAway, GatewayRefused: as the protocol says.
        """
        try:
            answer = await self._client.post(
                "messages", json={"id": id_, "to": phone, "text": text}
            )
        except httpx.HTTPError as error:
            raise GatewayAway(type(error).__name__) from None
        if answer.is_success:
            return _proof(answer, id_)
        if answer.is_client_error and answer.status_code not in LATER:
            raise GatewayRefused(f"refused-{answer.status_code}")
        raise GatewayAway(f"answered-{answer.status_code}")


def _proof(answer: httpx.Response, id_: str) -> str:
    """Read the gateway's own name of a message; an answer to another, or of another form, proves nothing."""
    try:
        said = answer.json()
        message = said["message"] if said["id"] == id_ else None
    except (ValueError, KeyError, TypeError):
        message = None
    if not isinstance(message, str) or not 0 < len(message) <= PROOF:
        raise GatewayAway("garbled")
    return message


def make_client(settings: Settings) -> httpx.AsyncClient:
    """Make the client of the gateway that is set."""
    key = settings.sms_key.get_secret_value() if settings.sms_key else ""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(
        base_url=settings.sms_url or "", headers=headers, timeout=SECONDS, follow_redirects=False
    )
