"""Make every secret of an installation, each in a file of its own; what is there already stays.

The folder is closed to all but its owner, the files in it are open: containers see single files, mounted,
and run as users that the host does not know.
"""

import argparse
import base64
import json
import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

REGION = "us-east-1"
"""What S3 servers of one's own call the place where they are."""

BUCKET = "syt-scans"


def main() -> None:
    """Make what is missing."""
    wanted = _arguments()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    wanted.folder.chmod(0o700)
    for name in ("postgres_password", "owner_password", "service_password", "store_secret"):
        _keep(wanted.folder / name, lambda: secrets.token_urlsafe(32))
    for name, make in _made_of_others(wanted).items():
        _keep(wanted.folder / name, make)
    if not (wanted.folder / "certificate.pem").exists():
        _sign_for_ourselves(wanted.folder / "certificate.pem", wanted.host)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--database", default="database:5432", help="host:port of PostgreSQL")
    parser.add_argument("--store", default="http://store:8333", help="URL of the S3 store")
    parser.add_argument("--host", default="localhost", help="name on the certificate")
    return parser.parse_args()


def _made_of_others(wanted: argparse.Namespace) -> dict[str, Callable[[], str]]:
    """Say how each secret is made that holds another, or is more than a word.

    Cores and the gateway's key are others' to give: until somebody writes them there are none.
    """
    read = {path.name: path.read_text() for path in wanted.folder.iterdir()}
    key = read["store_secret"]
    return {
        "syt_owner_url": lambda: _url("syt_owner", read["owner_password"], wanted.database),
        "syt_database_url": lambda: _url("syt_service", read["service_password"], wanted.database),
        "syt_keys": _key_ring,
        "syt_signing_key": _signing_key,
        "syt_receipt_key": _signing_key,
        "syt_cores": lambda: "[]",
        "syt_sms_key": str,
        "syt_files_options": lambda: json.dumps(_options(key, wanted.store)),
        "store.json": lambda: json.dumps({"identities": [_identity(key)]}),
    }


def _keep(path: Path, make: Callable[[], str]) -> None:
    """Write a secret once."""
    if not path.exists():
        path.write_text(make())
        path.chmod(0o444)


def _url(role: str, password: str, address: str) -> str:
    return f"postgresql://{role}:{quote(password, safe='')}@{address}/syt"


def _key_ring() -> str:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return json.dumps({"current": "k1", "keys": {"k1": key}})


def _signing_key() -> str:
    """Make a key that signs: roots of evidence, or receipts."""
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519"],  # noqa: S607
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return made.stdout


def _options(key: str, store: str) -> dict[str, object]:
    """Say how the API reaches the store."""
    clear = {"client_options": {"allow_http": True}} if store.startswith("http:") else {}
    return {
        "endpoint": store, "region": REGION, "access_key_id": "syt", "secret_access_key": key, **clear,
    }  # fmt: skip


def _identity(key: str) -> dict[str, object]:
    """Say whom the store lets in; SeaweedFS makes a bucket for who may administer it."""
    actions = [f"{action}:{BUCKET}" for action in ("Admin", "Read", "Write", "List")]
    return {
        "name": "syt", "credentials": [{"accessKey": "syt", "secretKey": key}], "actions": actions,
    }  # fmt: skip


def _sign_for_ourselves(path: Path, host: str) -> None:
    """Make a certificate for a trial, with its key; a real one takes its place."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
    made = subprocess.run(  # noqa: S603
        ["openssl", "req", "-x509", *curve, *names, "-days", "90", "-keyout", "-"],  # noqa: S607
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    _keep(path, lambda: made.stdout)


if __name__ == "__main__":
    main()
