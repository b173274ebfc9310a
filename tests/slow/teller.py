"""`python -m tests.slow.teller`: a terminal that takes applications and hands them in, to be killed.

It notes each receipt, after it has it, in a file of its own: what stands there was promised to an applicant.
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

from client import Client, ClientError, Patience, Queue, Store, TerminalKey
from tests.make import IDS, PENSION, RECORD, body

KEY = bytes(range(32))
SCAN = b"%PDF-1.7\n" + bytes(range(256)) * 1200


def wanted(chance: random.Random, person: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    """An application of one of three people; some bring a scan."""
    if chance.random() < 0.2:
        made = body(PENSION, materials=[{"code": "id_card", "exemption": "card_read"}])
        scans = {"claim_form": SCAN}
    else:
        made, scans = body(RECORD, accept=False), {}
    made["applicant"]["id_number"] = IDS[person]
    return made, scans


def main(home: str, url: str, audience: str, seed: str, most: str) -> None:
    """Work until all are taken and handed in."""
    folder, chance = Path(home), random.Random(seed)
    card = json.loads((folder / "card.json").read_text())
    key = TerminalKey.from_jwk(card["terminal"]["private_jwk"])
    patience = Patience(tries=3, first=0.01, longest=0.05, answer=5)
    promised = folder / "promised.jsonl"
    with (
        Client(url, card["terminal"]["id"], key, card["teller"], audience=audience, patience=patience) as own,
        promised.open("a") as file,
    ):  # fmt: skip
        queue = Queue(own, Store(folder / "terminal.db", KEY), numbers=30)
        print("ready", flush=True)  # noqa: T201 -- from now on it may be killed
        if queue.contact is None:
            queue.refresh()
        while True:
            done = len(queue.applications())
            for _ in range(min(chance.randrange(1, 5), int(most) - done)):
                person = chance.randrange(len(IDS))
                try:
                    receipt = queue.take(*wanted(chance, person))
                except ClientError:
                    break  # No number is left before the next contact.
                file.write(json.dumps([receipt.id, person, receipt.number]) + "\n")
                file.flush()
            report = queue.flush()
            if len(queue.applications()) >= int(most) and report.left == 0 and not report.stopped:
                return


if __name__ == "__main__":
    main(*sys.argv[1:])
