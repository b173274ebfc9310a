"""Everything the environment decides, read once at start and never again."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    StringConstraints,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

SECRETS = "SYT_SECRETS"
"""Names the folder of secret files, where there is one."""


class SecretFiles(EnvSettingsSource):
    """Variables that are files of their name, in small letters.

    The library's own source passes over what it can't read; the embedded database would then be started
    in place of the real one.

    Raises:
        OSError: there is no such folder, or a file in it can't be read.
    """

    def _load_env_vars(self) -> Mapping[str, str | None]:
        found = [f for f in Path(os.environ[SECRETS]).iterdir() if f.name.startswith("syt_")]
        return {file.name: file.read_text().strip() for file in found}


class Demand(BaseModel):
    """What a token must say of how its person was proved, before a role of his counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    acr: frozenset[str] = frozenset()
    """One of these; none: any."""

    amr: frozenset[str] = frozenset()
    """All of these, as `mfa` or `hwk` of RFC 8176."""


Asymmetric = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
]  # fmt: skip
"""Algorithms that a trusted issuer may use: none with a shared secret, and never `none`."""


def _over_tls(url: str) -> str:
    """Take no address that anybody on the way could answer for."""
    parts = urlsplit(url)
    here = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise ValueError("it is reached by https")
    if parts.query or parts.fragment or not parts.hostname:
        raise ValueError("such an address has no query")
    return url


def _origin(url: str) -> str:
    """Take scheme, host and port, and nothing that stands for many."""
    parts = urlsplit(url)
    if url != f"{parts.scheme}://{parts.netloc}" or parts.scheme not in ("http", "https"):
        raise ValueError("an origin is scheme://host or scheme://host:port")
    if "*" in url or not parts.hostname or parts.username is not None:
        raise ValueError("an origin names one host")
    return url


class TrustedIssuer(BaseModel):
    """An OpenID Connect issuer whose tokens are believed; what its people may do stands in our grants."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,15}$")]
    """Goes before the `sub` of its people: `hr:alice`."""

    url: Annotated[str, AfterValidator(_over_tls), StringConstraints(max_length=200)]
    """`iss`, to the letter; discovery stands below it."""

    audience: Annotated[str, StringConstraints(min_length=1)]
    """What `aud` must name."""

    algorithms: frozenset[Asymmetric] = frozenset({"RS256", "PS256", "ES256", "EdDSA", "Ed25519"})

    skew: int = Field(30, ge=0, le=300)
    """Seconds by which its clock may differ from ours."""

    longest: int = Field(43_200, ge=60, le=30 * 86_400)
    """Seconds that a token of its may live."""

    refresh: float = Field(300, ge=1)
    """Seconds between two readings of its keys."""

    demands: dict[str, Demand] = {}
    """By role."""


DivisionOfCore = Annotated[str, StringConstraints(pattern=r"^33[0-9]{4}$")]


def _reached(url: str) -> str:
    """Take no address at which anybody on the way could read what is personal."""
    return _over_tls(url).rstrip("/")


class CoreSystem(BaseModel):
    """An agency's core system, which completes matters that are entrusted whole (D3)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    """Names it in figures, records and differences."""

    url: Annotated[str, AfterValidator(_reached), StringConstraints(max_length=200)]

    agencies: frozenset[DivisionOfCore] = Field(min_length=1)
    """Agencies that it serves: 330106 one county's, 330100 all of a city, 330000 all there are."""

    matters: frozenset[Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]] = Field(
        min_length=1
    )

    token: SecretStr | None = None
    """Sent as a bearer token."""

    certificates: Path | None = None
    """File of certificates to believe, instead of those that everybody does."""

    budget: float = Field(2.0, ge=0.05, le=10)
    """Seconds that somebody at a counter waits; what takes longer is finished by the background process."""


def _told_apart(cores: tuple[CoreSystem, ...]) -> tuple[CoreSystem, ...]:
    """Take no two cores of one name, nor two for the same matter of the same agency."""
    names = [core.name for core in cores]
    served = [(a, m) for core in cores for a in core.agencies for m in core.matters]
    if len(set(names)) < len(names) or len(set(served)) < len(served):
        raise ValueError("two cores of one name, or for the same matter of the same agency")
    return cores


class Settings(BaseSettings):
    """`SYT_*` variables. Every one has a default with which a first start works.

    A variable may also be a file of its name, in small letters, in the folder that `SYT_SECRETS` names.
    """

    model_config = SettingsConfigDict(env_prefix="SYT_", frozen=True, extra="ignore")

    home: Path = Path("var")
    """Folder of all local state: the embedded database, keys, files."""

    database_url: str | None = Field(None, repr=False)
    """PostgreSQL of the service's own role; unset: the embedded one under `home`."""

    owner_url: str | None = Field(None, repr=False)
    """PostgreSQL of the role that owns the tables and migrates; unset: `database_url`."""

    public_url: Annotated[str, AfterValidator(lambda url: url.rstrip("/"))] = (
        "http://127.0.0.1:8000"
    )
    """What the world calls us: audience of assertions, QR codes, `Location`."""

    files_url: str | None = Field(None, repr=False)
    """Where scans are kept; unset: the folder `files` under `home`."""

    files_options: dict[str, Any] = Field({}, repr=False)
    """Endpoint, keys and client options of a store that is no folder, as JSON."""

    keys: SecretStr | None = None
    """Key ring as JSON; unset: what `keys_command` prints, else `keys.json` under `home`, made on first
    start."""

    keys_command: str | None = Field(None, repr=False)
    """Program, with its arguments, that gets the key ring from a key management system and prints it."""

    suite: Literal["aes", "sm"] = "aes"
    """Algorithms of keys that are made from now on, and of the chain of evidence: AES-256-GCM and SHA-256, or
    SM4-GCM and SM3. What is there keeps those of its own."""

    signing_key: SecretStr | None = None
    """Ed25519 key that signs the roots of evidence, as PEM; unset: `signing.pem` under `home`, made on first
    use."""

    receipt_key: SecretStr | None = None
    """Ed25519 key that signs receipts, as PEM, the same in every API process; public keys after it signed
    before. Unset: `receipts.pem` under `home`, made on first use."""

    issuers: tuple[TrustedIssuer, ...] = ()
    """Issuers of people's tokens, as JSON."""

    cores: Annotated[tuple[CoreSystem, ...], AfterValidator(_told_apart)] = Field((), repr=False)
    """Agencies' core systems, as JSON; where none serves, a reviewer decides what D3 would complete."""

    cors_origins: frozenset[Annotated[str, AfterValidator(_origin)]] = frozenset()
    """Pages of which other places may call from a browser, as JSON; none: no page of another place."""

    local_issuer: bool = False
    """Whether people's tokens of our own making are believed; `syt demo` switches it on."""

    sms_url: Annotated[str | None, BeforeValidator(lambda url: url or None)] = Field(
        None, repr=False
    )
    """Gateway of text messages; unset: what is not handed over at the counter stands on the list."""

    sms_key: SecretStr | None = None
    """Bearer key of the gateway."""

    webhook_networks: tuple[IPvAnyNetwork, ...] = ()
    """Networks beside the public ones to which messages of subscriptions may be sent, as JSON:
    `["10.20.0.0/16"]`; none: no private, local or shared address is connected to."""

    webhook_http: bool = False
    """Whether addresses of subscriptions may be plain http; only for a network of one's own."""

    webhook_certificates: Path | None = None
    """File of certificates to believe of targets, instead of those that everybody does."""

    log: Literal["debug", "info", "warning", "error"] = "info"

    metrics_port: int | None = Field(None, ge=1, le=65535)
    """Where the background process shows its figures, if it runs without an API beside it."""

    pool_size: int = Field(8, ge=2)
    """Database connections of one process."""

    submission_lanes: int = Field(1, ge=1)
    """Statements of submissions that one process has under way at once."""

    submission_queue: int = Field(2000, ge=1)
    """Submissions that may wait in one process before it answers 503."""

    calls_per_second: int = Field(100, ge=1)
    """Calls of one terminal or person in the long run; more are answered 429."""

    calls_at_once: int = Field(500, ge=1)
    """Calls of one terminal or person that may come together."""

    drain_seconds: float = Field(0, ge=0, le=300)
    """How long a process that is told to stop still serves, while it says that it is not ready."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read secret files last, where there are such."""
        sources = (init_settings, env_settings, dotenv_settings, file_secret_settings)
        return (*sources, SecretFiles(settings_cls)) if SECRETS in os.environ else sources
