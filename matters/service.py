"""What can be done with the catalogue."""

import asyncpg
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.generations import raise_generation
from kit.pinyin import keys
from matters import queries
from matters.compiled import compile_guide
from matters.errors import GuideImmutable, GuideOverlaps
from matters.memory import KIND
from matters.models import GuideVersion, Matter
from schemas.guides import GuideFile


async def publish(session: AsyncSession, wanted: GuideFile, *, by: str) -> GuideVersion | None:
    """Publish a version; the open version before it ends where this one begins.

    Publishing the same content twice changes nothing and gives None.

    Raises:
        GuideImmutable: the version is published already, with another content.
        GuideOverlaps: another version is in force within the period.
        ValueError: the form is no JSON Schema.
    """
    content = wanted.guide.model_dump(mode="json")
    known = await queries.version(session, wanted.guide.base_code, wanted.version)
    if known is not None:
        if known.content != content:
            raise GuideImmutable()
        return None
    generation = await raise_generation(session, KIND)
    await _ensure_matter(session, wanted, generation)
    await queries.end_open_versions(
        session, wanted.guide.base_code, wanted.effective_from, generation
    )
    row = GuideVersion(
        base_code=wanted.guide.base_code, version=wanted.version, state="published",
        effective_from=wanted.effective_from, effective_to=wanted.effective_to,
        content=content, drafted_by=by, published_by=by, generation=generation,
    )  # fmt: skip
    compile_guide(row)
    return await _insert(session, row)


async def _ensure_matter(session: AsyncSession, wanted: GuideFile, generation: int) -> None:
    name = wanted.guide.name
    pinyin, initials = keys(name)
    matter = await session.get(Matter, wanted.guide.base_code)
    matter = matter or Matter(
        base_code=wanted.guide.base_code, name="", pinyin="", initials="", generation=0
    )
    matter.name, matter.pinyin, matter.initials, matter.generation = (
        name,
        pinyin,
        initials,
        generation,
    )
    session.add(matter)
    await session.flush()


async def _insert(session: AsyncSession, row: GuideVersion) -> GuideVersion:
    session.add(row)
    try:
        await session.flush()
    except IntegrityError as error:
        if isinstance(error.orig.__cause__, asyncpg.ExclusionViolationError):  # type: ignore[union-attr]
            raise GuideOverlaps() from error
        raise
    return row
