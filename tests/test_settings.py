"""What the environment decides."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from kit.settings import Settings


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without variables of ours."""
    for field in Settings.model_fields:
        monkeypatch.delenv(f"SYT_{field.upper()}", raising=False)


def test_a_first_start_needs_no_variable() -> None:
    found = Settings()
    assert (found.home, found.public_url) == (Path("var"), "http://127.0.0.1:8000")
    assert (found.database_url, found.owner_url, found.files_url, found.keys) == (None,) * 4
    assert found.log == "info"


def test_nobody_is_believed_unless_told_so() -> None:
    assert Settings().local_issuer is False


def test_variables_are_read_with_our_prefix_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYT_PUBLIC_URL", "https://syt.test")
    monkeypatch.setenv("SYT_LOCAL_ISSUER", "true")
    monkeypatch.setenv("SYT_POOL_SIZE", "3")
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere")
    found = Settings()
    assert (found.public_url, found.local_issuer, found.pool_size) == ("https://syt.test", True, 3)
    assert found.database_url is None


@pytest.mark.parametrize(
    "name", ["home", "database_url", "owner_url", "public_url", "files_url", "keys", "log"]
)
def test_every_variable_of_the_contract_is_there(name: str) -> None:
    assert name in Settings.model_fields


def test_they_never_change_while_a_process_runs() -> None:
    with pytest.raises(ValidationError):
        Settings().log = "debug"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [("SYT_LOG", "loud"), ("SYT_POOL_SIZE", "many"), ("SYT_LOCAL_ISSUER", "perhaps")],
)
def test_what_is_wrong_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize("name", ["SYT_POOL_SIZE", "SYT_SUBMISSION_LANES", "SYT_SUBMISSION_QUEUE"])
def test_a_number_of_none_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "0")
    with pytest.raises(ValidationError):
        Settings()


def test_keys_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYT_KEYS", '{"current": "k1", "keys": {"k1": "c2VjcmV0"}}')
    found = Settings()
    assert found.keys is not None
    assert "c2VjcmV0" in found.keys.get_secret_value()
    assert "c2VjcmV0" not in f"{found!r} {found} {found.model_dump()} {found.model_dump_json()}"


@pytest.mark.parametrize("name", ["SYT_DATABASE_URL", "SYT_OWNER_URL", "SYT_FILES_URL"])
def test_passwords_in_addresses_do_not_show(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "postgresql://syt:hunter2@db/syt")
    assert "hunter2" not in repr(Settings())
