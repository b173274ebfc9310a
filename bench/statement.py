"""L2: the statement of a submission alone, by pgbench against the service's own cluster."""

import json
import os
import subprocess
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from applications.draft import SEALED
from applications.intake import BYTES, PLAIN, STATEMENT
from bench.load import Round, summed_up
from bench.seed import MATTER
from cli.home import cluster_of
from kit.embedded import DATABASE, SERVICE

CLIENTS: Final = 20
SEALED_BYTES: Final = 420
OUTLET = "330106999999"
DAY = date(2026, 11, 23)


def run_statement(home: Path, seconds: float, nth: int) -> Round:
    """Run the statement for some seconds; `nth` tells the runs on one database apart."""
    cluster = cluster_of(home)
    with tempfile.TemporaryDirectory(prefix="syt-bench-") as folder:
        (script := Path(folder) / "submit.sql").write_text(_script())
        done = subprocess.run(
            [
                str(cluster.binaries / "pgbench"), "-n", "-M", "prepared", "-c", str(CLIENTS),
                "-T", str(max(1, round(seconds))), "-D", f"run={nth}", "-D", "i=0", "-l",
                "--log-prefix", f"{folder}/log", "-f", str(script),
                "-h", str(cluster.sockets), "-U", SERVICE, DATABASE,
            ],
            capture_output=True, text=True, check=False, timeout=seconds + 60, cwd="/",
            env={"PATH": os.environ["PATH"], "PGOPTIONS": "-c jit=off -c timezone=UTC"},
        )  # fmt: skip
        if done.returncode != 0:
            return Round(0, 0, 0, {f"pgbench: {done.stderr.strip()[-300:]}": 1})
        lines = [line for log in Path(folder).glob("log.*") for line in log.read_text().split("\n")]
    took = [int(line.split()[2]) / 1e3 for line in lines if line]
    return summed_up(max(1, round(seconds)), took, {})


def _script() -> str:
    """Write the statement for one submission; number, key and person differ each time."""
    row = _quoted(json.dumps([{name: ROW.get(name, f"@{name}") for name in PLAIN}]))
    for name, value in VARYING.items():
        row = row.replace(f'"@{name}"', f"' || to_json({value}) || E'")
    text = STATEMENT.replace("$1::json", f"({row})::json")
    for place, name in enumerate(BYTES, 2):
        text = text.replace(f"${place}::bytea[]", f"ARRAY[{BLOBS[name]}]::bytea[]")
    return f"\\set i :i + 1\n{text.strip()};\n"


def _quoted(text: str) -> str:
    """Quote a text for pgbench, to which a colon begins a variable."""
    return "E'" + text.replace("'", "''").replace(":", "\\x3a") + "'"


UNIQUE = (
    "lpad((:run)::text, 3, '0') || lpad((:client_id)::text, 3, '0') || lpad((:i)::text, 6, '0')"
)
"""Twelve digits, another for each statement of a database's life."""

ROW = {
    "matter": MATTER,
    "guide_version": 1,
    "outlet": OUTLET,
    "teller": f"{OUTLET}-01",
    "agency": "330106",
    "risk_class": 1,
    "state": "accepted",
    "captured_at": None,
    "legal_due_on": str(DAY + timedelta(days=28)),
    "promised_due_on": str(DAY + timedelta(days=7)),
    "due_provisional": False,
    "calendar_generation": 1,
    "due_on": str(DAY + timedelta(days=7)),
    "yellow_on": str(DAY + timedelta(days=5)),
    "red_on": str(DAY + timedelta(days=7)),
    "overdue_on": str(DAY + timedelta(days=29)),
    "pooled": False,
    "step_due_on": str(DAY + timedelta(days=7)),
    "light_told": 0,
    "light_until": str(DAY + timedelta(days=5)),
    "accepted_by": f"teller:{OUTLET}-01",
    "documents": ["REC", "ACP"],
    "materials": [{"code": "id_card", "file": None, "exemption": "card_read", "promised_by": None}],
    "actor": f"teller:{OUTLET}-01",
}
VARYING = {
    "number": f"'SYT330106{DAY:%Y%m%d}9' || {UNIQUE}",
    "submitter": "'00000000-0000-7000-8000-' || lpad((:client_id)::text, 12, '0')",
    "idempotency_key": f"'pgbench-' || {UNIQUE}",
    "received_at": "now()",
    "accepted_at": "now()",
}
BLOBS = {
    "body_digest": "sha256('digest')",
    "subject_index": f"sha256(({UNIQUE})::bytea)",
    "sealed": _quoted("\\x" + (SEALED.encode() * SEALED_BYTES)[:SEALED_BYTES].hex()),
}
"""SQL of what is not the same in every draft, and of bytes; in the service all are parameters."""
