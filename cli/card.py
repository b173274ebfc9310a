"""What a first visitor of the demonstration needs, in one file, and what to do with it.

Apart from what fills the database: that is done once, and takes long to load.
"""

import json
import os
import shutil
import sys
import uuid
from pathlib import Path

from joserfc.jwk import ECKey

from access.policy import Role
from cli.sample import FIRST_OUTLET
from kit.crypto import KeyRing
from kit.mint import Mint

FIRST = Path(__file__).parent / "first_application.txt"
"""The five calls, with places for addresses."""

DAYS = 30
TERMINAL = uuid.UUID("00000000-0000-7000-8000-000000000001")
TELLER = f"{FIRST_OUTLET}-01"

PEOPLE: dict[str, tuple[Role, str]] = {
    "outlet_manager": (Role.OUTLET_MANAGER, ""),
    "bank_admin": (Role.BANK_ADMIN, "SRCB"),
    "acceptance_officer": (Role.ACCEPTANCE_OFFICER, "330106"),
    "reviewer": (Role.REVIEWER, "330106"),
    "second_reviewer": (Role.SECOND_REVIEWER, "330106"),
    "approver": (Role.APPROVER, "330106"),
    "agency_head": (Role.AGENCY_HEAD, "330106"),
    "outlet_admin": (Role.OUTLET_ADMIN, "330106"),
    "outlet_admin_province": (Role.OUTLET_ADMIN, "330000"),
    "matter_admin": (Role.MATTER_ADMIN, "330000"),
    "matter_admin_2": (Role.MATTER_ADMIN, "330000"),
    "rights_admin": (Role.RIGHTS_ADMIN, "330100"),
    "auditor": (Role.AUDITOR, "330000"),
    "control_officer": (Role.CONTROL_OFFICER, "330000"),
}
"""Who is in the demonstration, and where; an empty scope is the demonstration's outlet."""


def key_file(home: Path) -> Path:
    """Find where the demonstration terminal's key is kept from start to start."""
    return home / "demo-terminal.jwk"


def terminal_key(home: Path) -> ECKey:
    """Give the demonstration terminal's key; it is made when there is none."""
    path = key_file(home)
    if path.exists():
        return ECKey.import_key(json.loads(path.read_text()))
    key = ECKey.generate_key("P-256")
    write_private(path, json.dumps(key.as_dict(private=True)))
    return key


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)


def write(home: Path, keys: KeyRing, base_url: str) -> None:
    """Write `demo.json`: where the service is, and tokens for everyone in it."""
    mint = Mint(keys)
    seconds = DAYS * 86400
    card = {
        "base_url": base_url,
        "outlet": FIRST_OUTLET,
        "terminal": {
            "id": str(TERMINAL), "private_jwk": terminal_key(home).as_dict(private=True),
        },
        "teller": TELLER,
        "tokens": {n: mint.for_person(f"demo-{n}", seconds=seconds) for n in PEOPLE},
    }  # fmt: skip
    write_private(home / "demo.json", json.dumps(card, ensure_ascii=False, indent=2))


def first_application(home: Path, base_url: str) -> str:
    """Write the five calls of a first application, ready to paste into another shell."""
    syt = f"{sys.executable} -m cli.main" if shutil.which("syt") is None else "syt"
    return FIRST.read_text().format(
        card=home.resolve() / "demo.json", base=base_url, syt=syt, home=home.resolve()
    )
