"""Everything the environment decides, read once at start and never again."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr
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

    local_issuer: bool = False
    """Whether people's tokens of our own making are believed; `syt demo` switches it on."""

    log: Literal["debug", "info", "warning", "error"] = "info"

    metrics_port: int | None = Field(None, ge=1, le=65535)
    """Where the background process shows its figures, if it runs without an API beside it."""

    pool_size: int = Field(8, ge=2)
    """Database connections of one process."""

    submission_lanes: int = Field(1, ge=1)
    """Statements of submissions that one process has under way at once."""

    submission_queue: int = Field(2000, ge=1)
    """Submissions that may wait in one process before it answers 503."""

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
