"""Loading reference data: in chunks, and twice changes nothing."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from agencies.memory import KIND as AGENCIES
from agencies.memory import AgenciesMemory
from agencies.models import Agency, AgencyCoverage
from applications import queries as applications
from divisions import lists
from divisions import service as divisions
from divisions.lists import Listed, ListUnusable
from divisions.memory import DivisionsMemory
from importing import queries as imports
from importing.models import CnapsArea, CnapsClass
from kit import pinyin
from kit.clock import now
from kit.db import Sessions, put, transaction
from kit.errors import DomainError
from kit.generations import raise_generation
from kit.workdays import KIND as CALENDAR
from kit.workdays import CalendarDay, Workdays, WorkdaysMemory, parse_notices
from matters import register
from matters.files import MAX_BYTES, Citations, FileUnreadable, read_as, read_guide
from matters.memory import Catalogue
from outlets.memory import KIND as OUTLETS
from outlets.models import CHANGED, Agreement, Bank, Outlet, Teller, Terminal
from outlets.service import Deed, store
from publishing import service as publishing
from routing import service as routing
from routing.errors import RulesLeaveGaps
from routing.memory import RoutingMemory
from routing.rules import OURS
from schemas.guides import GuideFile
from schemas.matters import DocumentRow, ItemRow, MatterRow, PackageFile, PackagesFile
from schemas.routing import RuleRow

T = TypeVar("T")
DATA = Path(__file__).parent.parent / "data"
CHUNK = 2000
"""Rows in one transaction: one that writes for long holds up the feed of events."""

FAULTS = 5
"""As many are named of a file that has more."""


class LoadFailed(Exception):
    """The file can't be loaded; the message says where it is wrong."""


def chunks(rows: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Cut rows into lists of at most `size`."""
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a CSV file in UTF-8 with a head.

    Raises:
        LoadFailed: it can't be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeError, csv.Error) as error:
        raise LoadFailed(f"{path}: {error}") from error


BY = Deed("person:syt-load", "operator", "load")


async def put_rows(
    sessions: Sessions, kind: str, table: type[SQLModel], rows: Iterable[Mapping[str, Any]]
) -> int:
    """Put rows chunk by chunk, stamped with the generation of their kind where they have one.

    The registry's are kept with their history.
    """
    changed = 0
    for chunk in chunks(rows, CHUNK):
        async with transaction(sessions) as session:
            if table.__tablename__ in CHANGED:
                changed += len(await store(session, table, chunk, BY))
                continue
            stamp = {"generation": await raise_generation(session, kind)}
            chunk = [{**row, **stamp} for row in chunk]
            if "created_at" in table.model_fields:
                chunk = [{**row, "created_at": now()} for row in chunk]
            changed += await put(session, table, chunk)
    return changed


def read_divisions(path: Path) -> Listed:
    """Read a file of divisions.

    Raises:
        LoadFailed: with every fault, line by line.
    """
    try:
        return lists.read(path.read_bytes())
    except OSError as error:
        raise LoadFailed(f"{path}: {error.strerror}") from error
    except ListUnusable as error:
        raise unusable(path, error) from None


def unusable(path: Path, error: ListUnusable) -> LoadFailed:
    """Say all that is wrong with a list."""
    return LoadFailed("\n".join(f"{path}: {fault}" for fault in error.faults))


async def load_divisions(
    sessions: Sessions, path: Path, on: date | None = None, *, much: bool = False
) -> int:
    """Load divisions of one scheme: a whole list, a history or changes; all of it, or nothing.

    A list is all that is there of its provinces from `on`, today if not said: what it leaves out is abolished.
    """
    listed = read_divisions(path)
    try:
        async with transaction(sessions) as session:
            planned = await divisions.apply(session, listed, on, much=much)
    except ListUnusable as error:
        raise unusable(path, error) from None
    return planned.writes.size


async def load_calendar(sessions: Sessions, path: Path) -> int:
    """Load `date, day_type, holiday` of the State Council's notices; refuse what contradicts itself."""
    try:
        days = parse_notices(read_csv(path))
        Workdays.of({day.day: day.is_working for day in days})
    except (ValueError, KeyError) as error:
        raise LoadFailed(f"{path}: {error}") from error
    async with transaction(sessions) as session:
        changed = await put(session, CalendarDay, [day.model_dump() for day in days])
        if changed:
            await raise_generation(session, CALENDAR)
            await _check_whole_calendar(session, path)
    return changed


async def _check_whole_calendar(session: AsyncSession, path: Path) -> None:
    """Refuse what contradicts the years that are known: no process could read the calendar any more."""
    try:
        await WorkdaysMemory().load(session, 0)
    except ValueError as error:
        raise LoadFailed(f"{path}: with what is loaded already: {error}") from error


async def waiting_for_calendar(sessions: Sessions) -> int:
    """Count the open applications whose limits were worked out by an older calendar."""
    async with transaction(sessions) as session:
        return await applications.count_dated_before(session)


async def load_agencies(sessions: Sessions, path: Path) -> int:
    """Load `code, name, level, division, phone, covers` (counties, separated by blanks)."""
    rows = read_csv(path)
    agencies = [
        {name: row[name] for name in ("code", "name", "level", "division", "phone")} for row in rows
    ]
    covering = [
        {"level": row["level"], "county": county, "agency": row["code"]}
        for row in rows
        for county in row["covers"].split()
    ]
    try:
        async with transaction(sessions) as session:
            stamp = {"generation": await raise_generation(session, AGENCIES)}
            changed = await put(session, Agency, [{**row, **stamp} for row in agencies])
            covered = await put(session, AgencyCoverage, [{**row, **stamp} for row in covering])
    except DBAPIError as error:
        raise LoadFailed(
            f"{path}: {type(error.orig).__name__}: rows contradict each other"
        ) from None
    return changed + covered


async def load_routing(sessions: Sessions, path: Path) -> int:
    """Load rules of routing: all of them, or none where they leave a place without an agency, or with two."""
    rows = [row.model_dump(mode="json") for row in _rows_as(RuleRow, path)]
    places, agencies = DivisionsMemory(OURS), AgenciesMemory()
    catalogue = Catalogue(places)
    for memory in (places, agencies, catalogue):
        async with transaction(sessions) as session:
            await memory.load(session, 0)
    held = RoutingMemory(places, agencies)
    try:
        async with transaction(sessions) as session:
            return await routing.put_rules(session, rows, held, catalogue.in_force)
    except RulesLeaveGaps as error:
        raise LoadFailed(f"{path}: {error.title.zh} {error.title.en}:\n{_gaps(error)}") from None
    except DBAPIError as error:
        raise LoadFailed(
            f"{path}: {type(error.orig).__name__}: a rule contradicts itself"
        ) from None


def _gaps(error: RulesLeaveGaps) -> str:
    """List the places, one a line."""
    found: Any = error.facts["gaps"]
    return "\n".join(
        f"{gap['matter']} {gap['step']} {gap['division']} {gap['name']}: "
        f"{' '.join(gap['agencies']) or 'none'}"
        for gap in found
    )


def _guide_files(path: Path) -> list[Path]:
    return sorted(path.glob("*.yaml")) if path.is_dir() else [path]


async def load_matters(sessions: Sessions, path: Path, *, by: str = "person:syt-load") -> int:
    """Publish the guides of a file, or of all files in a folder: all of them, or none.

    Guides name documents of the register; an empty one is filled with what ships.
    """
    citations = await _citations(sessions)
    wanted = {file: read_guide_file(file, citations) for file in _guide_files(path)}
    pinyin.keys("")  # Loads the library: a transaction is not to wait for it.
    changed = 0
    async with transaction(sessions) as session:
        for file, guide in sorted(wanted.items(), key=_by_version):
            try:
                changed += await publishing.publish_file(session, guide, by=by) is not None
            except DomainError as error:
                raise LoadFailed(f"{file}: {_said(error)}") from None
    return changed


async def _citations(sessions: Sessions) -> Citations:
    async with transaction(sessions) as session:
        if known := await register.citations(session):
            return known
    await load_catalogue(sessions, DATA / "catalogue")
    async with transaction(sessions) as session:
        return await register.citations(session)


def _said(error: DomainError) -> str:
    """Say what is wrong, and where: all of it."""
    where = "; ".join(f"{f.at} {f.rule} {f.message.zh}" for f in error.faults[:FAULTS])
    return f"{error.title.zh} {error.title.en} {where}".rstrip()


def _by_version(named: tuple[Path, GuideFile]) -> tuple[str, int]:
    return named[1].guide.base_code, named[1].version


def read_guide_file(file: Path, citations: Citations) -> GuideFile:
    """Read a guide's file.

    Raises:
        LoadFailed: with the line of every fault.
    """
    try:
        return read_guide(_bytes_of(file), citations)
    except FileUnreadable as error:
        raise LoadFailed(_words(file, error)) from None


def _bytes_of(file: Path) -> bytes:
    """Read a file, unless it is longer than one of ours can be."""
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)  # One more is enough to be refused.
    except OSError as error:
        raise LoadFailed(f"{file}: {error.strerror}") from error


def _words(file: Path, error: FileUnreadable) -> str:
    shown = "; ".join(f"{file}:{line}: {words}" for line, words in error.faults[:FAULTS])
    more = len(error.faults) - FAULTS
    return shown + (f"; and {more} more" if more > 0 else "")


def shipped_guide(matter: str) -> GuideFile:
    """Read a guide as it ships, without a database."""
    documents = _rows_as(DocumentRow, DATA / "catalogue" / "documents.csv")
    citations = {document.document: (document.title, document.number) for document in documents}
    return read_guide_file(DATA / "matters" / f"{matter}.yaml", citations)


R = TypeVar("R", bound=BaseModel)


def _rows_as(model: type[R], path: Path) -> list[R]:
    """Read a table whose every line is a `model`."""
    found = []
    for line, row in enumerate(read_csv(path), start=2):
        try:
            found.append(model.model_validate(row))
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            at = "/".join(map(str, fault["loc"])) or "the line"
            raise LoadFailed(f"{path}:{line}: {at}: {fault['msg']}") from None
    return found


async def load_catalogue(sessions: Sessions, path: Path) -> int:
    """Load items, documents, matters and packages from their files in a folder: all of them, or none."""
    items = _rows_as(ItemRow, path / "items.csv")
    documents = _rows_as(DocumentRow, path / "documents.csv")
    entries = _rows_as(MatterRow, path / "matters.csv")
    packages = _read_packages(path / "packages.yaml")
    try:
        register.check(items, documents, entries, packages)
    except ValueError as error:
        raise LoadFailed(f"{path}: {error}") from None
    found = register.prepared(entries)
    async with transaction(sessions) as session:
        return await register.store(session, items, documents, found, packages)


def _read_packages(file: Path) -> list[PackageFile]:
    try:
        return read_as(PackagesFile, _bytes_of(file)).packages
    except FileUnreadable as error:
        raise LoadFailed(_words(file, error)) from None


TABLES: Mapping[str, type[SQLModel]] = {
    "banks": Bank, "agreements": Agreement, "outlets": Outlet, "terminals": Terminal,
    "tellers": Teller,
}  # fmt: skip


async def load_registry(sessions: Sessions, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
    """Put banks, agreements, outlets, terminals and tellers, in the order in which they need each other."""
    return sum([
        await put_rows(sessions, OUTLETS, table, rows.get(name, ()))
        for name, table in TABLES.items()
    ])  # fmt: skip


async def load_banks(sessions: Sessions, path: Path) -> int:
    """Load `bank_class, bank_name, row_kind` (`bank` or `group`): the classes of banks in the payment system.

    A class may name several codes, with `;` between them. The file is the whole list.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in read_csv(path):
        for code in row["bank_class"].split(";"):
            kind = {"code": code, "names": [], "is_group": row["row_kind"] == "group"}
            found.setdefault(code, kind)["names"].append(row["bank_name"])
    return await _put_list(sessions, CnapsClass, [*found.values()], path)


async def load_cnaps_areas(sessions: Sessions, path: Path) -> int:
    """Load `area_code, area_name, city_code, county_code`: the areas of the payment system, all of them."""
    rows = [
        {
            "code": row["area_code"], "name": row["area_name"], "city": row["city_code"],
            "county": row["county_code"],
        }
        for row in read_csv(path)
    ]  # fmt: skip
    return await _put_list(sessions, CnapsArea, rows, path)


async def _put_list(
    sessions: Sessions, table: type[SQLModel], rows: list[dict[str, Any]], path: Path
) -> int:
    if not rows:
        raise LoadFailed(f"{path}: there is no line in it")
    async with transaction(sessions) as session:
        return await imports.put_list(session, table, rows)


async def load_outlets(sessions: Sessions, path: Path) -> int:
    """Load outlets from a CSV whose columns are those of the table; banks and agreements exist."""
    rows = [
        {
            **{name: row.get(name) or None for name in ("agreement", "cnaps", "parent")},
            **{name: row[name] for name in ("number", "name", "bank", "kind", "service_class")},
            **{name: row[name] for name in ("status", "division", "address")},
            "lat": _number(row.get("lat", "")), "lng": _number(row.get("lng", "")),
            "phone": row.get("phone", ""), "hours": row.get("hours", ""),
            "windows": int(row.get("windows") or 1),
            "is_sample": row.get("is_sample", "") == "true",
            "version": 1,
        }
        for row in read_csv(path)
    ]  # fmt: skip
    return await _put_checked(sessions, OUTLETS, Outlet, rows, path)


async def _put_checked(
    sessions: Sessions,
    kind: str,
    table: type[SQLModel],
    rows: Iterable[Mapping[str, Any]],
    path: Path,
) -> int:
    try:
        return await put_rows(sessions, kind, table, list(rows))
    except (KeyError, ValueError) as error:
        raise LoadFailed(f"{path}: {error!r}") from error


def _number(text: str) -> float | None:
    return float(text) if text else None
