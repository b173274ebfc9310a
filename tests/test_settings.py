"""What the environment decides."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kit.settings import SECRETS, Settings


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without variables of ours."""
    for field in Settings.model_fields:
        monkeypatch.delenv(f"SYT_{field.upper()}", raising=False)
    monkeypatch.delenv(SECRETS, raising=False)


def test_a_first_start_needs_no_variable() -> None:
    found = Settings()
    assert (found.home, found.public_url) == (Path("var"), "http://127.0.0.1:8000")
    assert (found.database_url, found.owner_url, found.files_url, found.keys) == (None,) * 4
    assert found.log == "info"


def test_a_gateway_that_is_named_by_an_empty_variable_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SYT_SMS_URL", "")
    monkeypatch.setenv("SYT_SMS_KEY", "")
    assert Settings().sms_url is None


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
    "name",
    [
        "home",
        "database_url",
        "owner_url",
        "public_url",
        "files_url",
        "files_options",
        "keys",
        "log",
    ],
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


class TestSecretFiles:
    """A folder of files, each a variable: what a composition mounts."""

    @pytest.fixture(autouse=True)
    def folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        monkeypatch.setenv(SECRETS, str(tmp_path))
        return tmp_path

    def test_are_read_and_do_not_show(self, folder: Path) -> None:
        (folder / "syt_database_url").write_text("postgresql://syt:hunter2@db/syt\n")
        (folder / "syt_keys").write_text("hunter2")
        (folder / "syt_files_options").write_text('{"secret_access_key": "hunter2"}')
        found = Settings()
        assert found.database_url == "postgresql://syt:hunter2@db/syt"
        assert found.files_options == {"secret_access_key": "hunter2"}
        assert found.keys is not None
        assert "hunter2" not in repr(found)

    def test_give_way_to_variables(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "syt_log").write_text("error")
        monkeypatch.setenv("SYT_LOG", "debug")
        assert Settings().log == "debug"

    def test_of_others_are_left_alone(self, folder: Path) -> None:
        (folder / "certificate.pem").write_bytes(b"\xff")
        assert Settings().database_url is None

    def test_that_lie_elsewhere_are_followed(self, folder: Path, tmp_path_factory: Any) -> None:
        there = tmp_path_factory.mktemp("there") / "url"
        there.write_text("postgresql://db/syt")
        (folder / "syt_database_url").symlink_to(there)
        assert Settings().database_url == "postgresql://db/syt"

    def test_that_can_not_be_read_stop_the_start(self, folder: Path) -> None:
        (folder / "syt_database_url").symlink_to(folder / "missing")
        with pytest.raises(FileNotFoundError):
            Settings()

    def test_without_their_folder_nothing_starts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(SECRETS, "/missing")
        with pytest.raises(FileNotFoundError):
            Settings()
