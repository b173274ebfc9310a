"""Everything the environment decides, read once at start and never again."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`SYT_*` variables. Every one has a default with which a first start works."""

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

    keys: SecretStr | None = None
    """Key ring as JSON; unset: `keys.json` under `home`, made on first start."""

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
