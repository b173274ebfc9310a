"""The register: items, entries of matters, packages, and the documents that guides rest on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.clock import now
from kit.db import put
from kit.generations import raise_generation
from kit.pinyin import keys
from matters.compiled import CompiledGuide
from matters.files import Citations
from matters.memory import KIND
from matters.models import GuideVersion, Item, LegalDocument, Matter, Package
from schemas.matters import DocumentRow, ItemRow, MatterRow, PackageFile


def check(
    items: Sequence[ItemRow],
    documents: Sequence[DocumentRow],
    entries: Sequence[MatterRow],
    packages: Sequence[PackageFile],
) -> None:
    """Refuse files that contradict each other.

    Raises:
        ValueError: it names the place and what is wrong.
    """
    codes = _once("matter", (entry.base_code for entry in entries))
    _once("number", (entry.number for entry in entries))
    _once("package", (package.package for package in packages))
    known = _once("item", (item.item for item in items))
    for entry in entries:
        _among(f"matter {entry.base_code}: item", entry.items, known)
        _among(f"matter {entry.base_code}: covered_by", _filled(entry.covered_by), codes)
    for package in packages:
        _among(f"package {package.package}: matter", (p.matter for p in package.matters), codes)
    _check_documents(documents)


def _check_documents(documents: Sequence[DocumentRow]) -> None:
    known = _once("document", (document.document for document in documents))
    replaced = _once("replaced document", (d.replaces for d in documents if d.replaces))
    for document in documents:
        _among(f"document {document.document}: replaces", _filled(document.replaces), known)
        if (document.state == "replaced") != (document.document in replaced):
            raise ValueError(
                f"document {document.document}: its state and what replaces it disagree"
            )


def _filled(value: str | None) -> tuple[str, ...]:
    return (value,) if value else ()


def _once(what: str, values: Iterable[Any]) -> set[Any]:
    seen: set[Any] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{what} {value} stands here twice")
        seen.add(value)
    return seen


def _among(what: str, values: Iterable[Any], known: set[Any]) -> None:
    for value in values:
        if value not in known:
            raise ValueError(f"{what} {value} is not there")


def prepared(entries: Sequence[MatterRow]) -> list[dict[str, Any]]:
    """Make rows of entries: before a transaction, since to read Chinese aloud takes time."""
    return [_entry(entry) for entry in entries]


async def store(
    session: AsyncSession,
    items: Sequence[ItemRow],
    documents: Sequence[DocumentRow],
    matters: Sequence[Mapping[str, Any]],
    packages: Sequence[PackageFile],
) -> int:
    """Put everything; tell how many rows were not there as they now are."""
    stamp = {"generation": await raise_generation(session, KIND)}
    rows: tuple[tuple[type[SQLModel], Iterable[Mapping[str, Any]]], ...] = (
        (Item, (item.model_dump() for item in items)),
        (LegalDocument, (document.model_dump() for document in documents)),
        (Matter, ({**matter, **stamp} for matter in matters)),
        (Package, ({"package": p.package, "content": p.model_dump(mode="json")} for p in packages)),
    )
    return sum(
        [
            await put(session, table, [{**row, "created_at": now()} for row in found])
            for table, found in rows
        ]
    )


def _entry(entry: MatterRow) -> dict[str, Any]:
    pinyin, initials = keys(entry.name)
    said = [keys(alias)[0] for alias in entry.aliases]
    return {**entry.model_dump(), "pinyin": pinyin, "initials": initials, "alias_pinyin": said}


async def citations(session: AsyncSession) -> Citations:
    """Name title and number of every document, by its code."""
    found = await session.exec(
        select(LegalDocument.document, LegalDocument.title, LegalDocument.number)
    )
    return {document: (title, number) for document, title, number in found.all()}


async def codes(session: AsyncSession) -> set[str]:
    """Name all documents of the register by their codes."""
    return set((await session.exec(select(LegalDocument.document))).all())


async def published(session: AsyncSession) -> Sequence[GuideVersion]:
    """List the versions of guides that are published, by matter and version."""
    statement = (
        select(GuideVersion)
        .where(GuideVersion.state == "published")
        .order_by(col(GuideVersion.base_code), col(GuideVersion.version))
    )
    return (await session.exec(statement)).all()


async def items(session: AsyncSession) -> Sequence[Item]:
    """List the items, by their numbers."""
    return (await session.exec(select(Item).order_by(col(Item.item)))).all()


async def packages(session: AsyncSession) -> Sequence[PackageFile]:
    """List the packages, by their codes."""
    rows = (await session.exec(select(Package).order_by(Package.package))).all()
    return [PackageFile.model_validate(row.content) for row in rows]


async def documents(session: AsyncSession, day: date) -> list[dict[str, Any]]:
    """List the documents with their states on a day, by their codes."""
    rows = (await session.exec(select(LegalDocument).order_by(LegalDocument.document))).all()
    successors = {row.replaces: row.document for row in rows if row.replaces}
    return [
        {
            **row.model_dump(exclude={"created_at"}),
            "state": _state_on(row, day),
            "replaced_by": successors.get(row.document),
        }
        for row in rows
    ]


def _state_on(row: LegalDocument, day: date) -> str:
    """What is known to end is in force until then."""
    return row.state if row.ended_on is not None and row.ended_on <= day else "in_force"


def outdated(
    guides: Iterable[CompiledGuide], documents: Iterable[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Find the guides that rest on a document which is no longer in force."""
    ended = {row["document"]: row for row in documents if row["state"] != "in_force"}
    for compiled in guides:
        for basis in compiled.guide.legal_bases:
            if basis.document in ended:
                about = {"matter": compiled.matter, "name": compiled.guide.name}
                yield {
                    **ended[basis.document],
                    **about,
                    "version": compiled.version,
                    "article": basis.article,
                }
