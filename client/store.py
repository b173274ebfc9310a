"""The terminal's own store: one SQLite file, of one process at a time.

Each change is one transaction that is on the disk before it is answered (`synchronous=FULL`). What is personal
is sealed; numbers of applications, codes of matters, states and the public catalogue are not.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from client.errors import NumbersUsedUp, StoreBusy
from client.sealing import Seal
from client.uploads import Source

if TYPE_CHECKING:
    from schemas.terminals import NumberView

VERSION = 1
"""Of the tables; a store of another is not opened."""

PIECE = 256 * 1024
"""Bytes of a scan that are sealed together."""

OPEN = ("waiting", "sending", "review", "refused")
"""States in which an application is still to be handed in."""

TABLES = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE guide (etag TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE turn (
  matter TEXT NOT NULL, applies_from TEXT NOT NULL, etag TEXT, PRIMARY KEY (matter, applies_from)
) WITHOUT ROWID;
CREATE TABLE number (
  number TEXT PRIMARY KEY, use_by TEXT NOT NULL, code BLOB NOT NULL, is_used INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE application (
  id INTEGER PRIMARY KEY AUTOINCREMENT, person BLOB NOT NULL, teller TEXT NOT NULL, matter TEXT NOT NULL,
  state TEXT NOT NULL, key TEXT NOT NULL UNIQUE, guide TEXT NOT NULL, number TEXT NOT NULL UNIQUE,
  captured_at TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, sealed BLOB, told TEXT
);
CREATE INDEX application_order ON application (person, id)
  WHERE state IN ('waiting', 'sending', 'review', 'refused');
CREATE INDEX application_state ON application (state, id);
CREATE TABLE scan (
  id INTEGER PRIMARY KEY AUTOINCREMENT, application INTEGER NOT NULL, material TEXT NOT NULL,
  size INTEGER NOT NULL, upload TEXT, file TEXT
);
CREATE INDEX scan_application ON scan (application);
CREATE TABLE piece (scan INTEGER NOT NULL, nth INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (scan, nth));
"""
CHECK = "key-check"


class Row(NamedTuple):
    """An application in the store; `sealed` is what was filled in, None once it was handed in or dropped."""

    id: int
    person: bytes
    teller: str
    matter: str
    state: str
    key: str
    guide: str
    number: str
    captured_at: str
    tries: int
    sealed: bytes | None
    told: str | None


class Scan(NamedTuple):
    """A scan in the store."""

    id: int
    application: int
    material: str
    size: int
    upload: str | None
    file: str | None


class Store:
    """Opens the file at `path`, made where it is missing; `key` are 32 bytes that the caller keeps elsewhere.

    Raises:
        StoreBusy: another process has it open.
        WrongKey: it was sealed under another key.
    """

    def __init__(self, path: Path | str, key: bytes) -> None:
        self.seal = Seal(key)
        self.database = sqlite3.connect(path, isolation_level=None, timeout=0.5)
        try:
            self._prepare()
        except sqlite3.OperationalError as error:
            self.database.close()
            raise StoreBusy(str(error)) from None
        except BaseException:
            self.database.close()
            raise

    def _prepare(self) -> None:
        for pragma in (
            "locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL",
            "secure_delete = ON", "foreign_keys = ON",
        ):  # fmt: skip
            self.database.execute(f"PRAGMA {pragma}")
        with self.change():
            made = self.database.execute("PRAGMA user_version").fetchone()[0]
            if made == 0:
                for statement in TABLES.split(";"):
                    self.database.execute(statement)
                self.database.execute(f"PRAGMA user_version = {VERSION}")
                self.note(CHECK, self.seal.close(b"", CHECK).hex())
            elif made != VERSION:
                raise StoreBusy(f"a store of version {made}")
            self.seal.open(bytes.fromhex(self.fact(CHECK) or ""), CHECK)

    @contextmanager
    def change(self) -> Iterator[None]:
        """Make changes that are all on the disk at the end, or none."""
        if self.database.in_transaction:
            yield
            return
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    # Facts

    def fact(self, name: str) -> str | None:
        """Read a fact."""
        found = self.database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return found[0] if found else None

    def note(self, name: str, value: str) -> None:
        """Keep a fact."""
        self.database.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    # Applications

    def where(self, row: int) -> str:
        """Name the place for which an application is sealed."""
        return f"application {row}"

    def add(
        self, body: dict[str, Any], *, person: str, teller: str, key: str, guide: str, at: datetime
    ) -> Row:
        """Keep an application that waits."""
        cursor = self.database.execute(
            "INSERT INTO application (person, teller, matter, state, key, guide, number, captured_at)"
            " VALUES (?, ?, ?, 'waiting', ?, ?, ?, ?)",
            (
                self.seal.index(person), teller, body["matter"], key, guide, body["number"],
                at.isoformat(),
            ),
        )  # fmt: skip
        row = int(cursor.lastrowid or 0)
        self.update(row, sealed=self.sealed(row, body))
        return self.get(row)

    def sealed(self, row: int, body: dict[str, Any]) -> bytes:
        """Seal what was filled in."""
        return self.seal.close(json.dumps(body, ensure_ascii=False).encode(), self.where(row))

    def body(self, row: Row) -> dict[str, Any]:
        """Open what was filled in; nothing once it was handed in."""
        if row.sealed is None:
            return {}
        found: dict[str, Any] = json.loads(self.seal.open(row.sealed, self.where(row.id)))
        return found

    def update(self, row: int, **columns: Any) -> None:
        """Change an application."""
        names = ", ".join(f"{name} = ?" for name in columns)
        self.database.execute(
            f"UPDATE application SET {names} WHERE id = ?",  # noqa: S608 -- names of ours
            (*columns.values(), row),
        )

    def get(self, row: int) -> Row:
        """Read an application.

        Raises:
            KeyError: there is none.
        """
        found = self.database.execute("SELECT * FROM application WHERE id = ?", (row,)).fetchone()
        if found is None:
            raise KeyError(row)
        return Row(*found)

    def rows(self, *states: str) -> list[Row]:
        """List applications in their order; of some states, or all."""
        marks = ", ".join("?" * len(states))
        asked = f" WHERE state IN ({marks})" if states else ""
        return [
            Row(*found)
            for found in self.database.execute(
                f"SELECT * FROM application{asked} ORDER BY id",  # noqa: S608
                states,
            )
        ]

    def count(self, *states: str) -> int:
        """Count applications in some states."""
        marks = ", ".join("?" * len(states))
        found = self.database.execute(
            f"SELECT count(*) FROM application WHERE state IN ({marks})",  # noqa: S608
            states,
        ).fetchone()
        return int(found[0])

    def next(self, most: int) -> list[Row]:
        """List what may be sent now, of one teller: of each applicant the first that is open."""
        found = self.database.execute(
            "SELECT * FROM application AS one WHERE state IN ('waiting', 'sending') AND NOT EXISTS ("
            "  SELECT 1 FROM application AS before WHERE before.person = one.person AND before.id < one.id"
            "  AND before.state IN ('waiting', 'sending', 'review', 'refused')"
            ") ORDER BY id LIMIT ?",
            (most,),
        ).fetchall()
        rows = [Row(*columns) for columns in found]
        return [row for row in rows if row.teller == rows[0].teller]

    def forget(self, row: int) -> None:
        """Erase what was filled in, and its scans."""
        self.update(row, sealed=None)
        self.database.execute(
            "DELETE FROM piece WHERE scan IN (SELECT id FROM scan WHERE application = ?)", (row,)
        )
        self.database.execute("DELETE FROM scan WHERE application = ?", (row,))

    def prune(self, before: datetime) -> None:
        """Drop what has been done with since `before`, numbers that were used, and guides nobody needs."""
        self.database.execute(
            "DELETE FROM application WHERE state IN ('sent', 'dropped') AND captured_at < ?",
            (before.isoformat(),),
        )
        self.database.execute("DELETE FROM number WHERE use_by < ?", (before.date().isoformat(),))
        self.database.execute(
            "DELETE FROM guide WHERE etag NOT IN (SELECT etag FROM turn WHERE etag IS NOT NULL)"
            " AND etag NOT IN (SELECT guide FROM application)"
        )

    # Scans

    def add_scan(self, row: int, material: str, source: Source) -> None:
        """Keep a scan, sealed piece by piece."""
        cursor = self.database.execute(
            "INSERT INTO scan (application, material, size) VALUES (?, ?, ?)",
            (row, material, source.size),
        )
        scan = int(cursor.lastrowid or 0)
        for nth, offset in enumerate(range(0, source.size, PIECE)):
            sealed = self.seal.close(source.read(offset, PIECE), f"piece {scan} {nth}")
            self.database.execute("INSERT INTO piece VALUES (?, ?, ?)", (scan, nth, sealed))

    def scans(self, row: int) -> list[Scan]:
        """List the scans of an application."""
        found = self.database.execute("SELECT * FROM scan WHERE application = ?", (row,))
        return [Scan(*columns) for columns in found]

    def update_scan(self, scan: int, **columns: Any) -> None:
        """Change what is known of a scan."""
        names = ", ".join(f"{name} = ?" for name in columns)
        self.database.execute(
            f"UPDATE scan SET {names} WHERE id = ?",  # noqa: S608 -- names of ours
            (*columns.values(), scan),
        )

    def drop_scan(self, scan: int) -> None:
        """Erase a scan."""
        self.database.execute("DELETE FROM piece WHERE scan = ?", (scan,))
        self.database.execute("DELETE FROM scan WHERE id = ?", (scan,))

    # Numbers

    def add_numbers(self, found: Iterable["NumberView"]) -> None:
        """Keep numbers that were reserved."""
        self.database.executemany(
            "INSERT OR IGNORE INTO number (number, use_by, code) VALUES (?, ?, ?)",
            [
                (one.number, one.use_by.isoformat(), self.seal.close(one.query_code.encode(), one.number))
                for one in found
            ],
        )  # fmt: skip

    def numbers_left(self, day: date) -> int:
        """Count the numbers that may be given out on `day`."""
        found = self.database.execute(
            "SELECT count(*) FROM number WHERE NOT is_used AND use_by >= ?", (day.isoformat(),)
        ).fetchone()
        return int(found[0])

    def take_number(self, day: date) -> tuple[str, str]:
        """Take the number that is good for the shortest time, and its query code.

        Raises:
            NumbersUsedUp: there is none.
        """
        found = self.database.execute(
            "UPDATE number SET is_used = 1 WHERE number = ("
            "  SELECT number FROM number WHERE NOT is_used AND use_by >= ? ORDER BY use_by, number LIMIT 1"
            ") RETURNING number",
            (day.isoformat(),),
        ).fetchone()
        if found is None:
            raise NumbersUsedUp("no reserved number is left: one is reserved with the next contact")
        return found[0], self.query_code(found[0])

    def query_code(self, number: str) -> str:
        """Give the code that goes with a number of ours."""
        found = self.database.execute(
            "SELECT code FROM number WHERE number = ?", (number,)
        ).fetchone()
        return self.seal.open(found[0], number).decode() if found else ""

    # The catalogue

    def put_turns(self, matter: str, turns: list[tuple[str, str | None, bytes | None]]) -> None:
        """Take over what holds of a matter: from which day on which guide."""
        self.database.execute("DELETE FROM turn WHERE matter = ?", (matter,))
        for day, etag, body in turns:
            if etag is not None and body is not None:
                self.database.execute("INSERT OR IGNORE INTO guide VALUES (?, ?)", (etag, body))
            self.database.execute("INSERT INTO turn VALUES (?, ?, ?)", (matter, day, etag))

    def matters(self) -> list[str]:
        """List the matters of which something is kept."""
        found = self.database.execute("SELECT DISTINCT matter FROM turn ORDER BY matter")
        return [matter for (matter,) in found]

    def guide_tag(self, matter: str, day: date) -> str | None:
        """Name the guide of a matter that holds on a day."""
        found = self.database.execute(
            "SELECT etag FROM turn WHERE matter = ? AND applies_from <= ?"
            " ORDER BY applies_from DESC LIMIT 1",
            (matter, day.isoformat()),
        ).fetchone()
        return found[0] if found else None

    def guide_body(self, etag: str) -> bytes | None:
        """Read a guide."""
        found = self.database.execute("SELECT body FROM guide WHERE etag = ?", (etag,)).fetchone()
        return found[0] if found else None


class Kept(NamedTuple):
    """A scan as what is sent: opened piece by piece."""

    store: Store
    scan: Scan

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self.scan.size

    def read(self, offset: int, size: int) -> bytes:
        """Give some."""
        first, last = offset // PIECE, (offset + size - 1) // PIECE
        found = self.store.database.execute(
            "SELECT nth, sealed FROM piece WHERE scan = ? AND nth BETWEEN ? AND ? ORDER BY nth",
            (self.scan.id, first, last),
        )
        whole = b"".join(
            self.store.seal.open(sealed, f"piece {self.scan.id} {nth}") for nth, sealed in found
        )
        return whole[offset - first * PIECE :][:size]
