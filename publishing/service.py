"""What can be done with guides on their way: draft, submit, publish, send back, withdraw.

Versions of the master and layers of places go the same way: one person writes, another publishes, and from
then on nobody changes it. Publications go one after another, since each holds the catalogue's generation.
Locks are taken in one order, lest two persons wait for each other: the generation, the matter, rows.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import Caller
from access.errors import Forbidden
from access.policy import May
from conformity import layers
from divisions.memory import DivisionsMemory, Place
from kit.clock import today
from kit.crypto import KeyRing
from kit.errors import Fault, Words
from kit.generations import raise_generation
from kit.pinyin import keys as read_aloud
from kit.repeats import Asked, made_before
from matters import queries
from matters.compiled import MASTER
from matters.errors import (
    GuideActionNotAllowed,
    GuideImmutable,
    GuideOverlaps,
    GuideSamePerson,
    GuideStale,
)
from matters.memory import KIND
from matters.models import GuideLayer, GuideVersion, Matter
from matters.queries import DraftRow
from publishing.rules import (
    Row,
    check_layer,
    check_rules,
    check_version,
    empty_faults,
    grounds_of,
    level_faults,
    period_faults,
    refuse,
)
from schemas.drafting import GuideActionRequest, LayerWanted, Period, VersionWanted
from schemas.guides import Guide, GuideFile

R = TypeVar("R", GuideVersion, GuideLayer)

MOVES: Mapping[tuple[str, str], str] = MappingProxyType({
    ("draft", "submit"): "submitted",
    ("draft", "withdraw"): "withdrawn",
    ("submitted", "publish"): "published",
    ("submitted", "send_back"): "draft",
    ("submitted", "withdraw"): "withdrawn",
    ("published", "withdraw"): "withdrawn",
})  # fmt: skip
"""State and action to the state after it."""

NEEDS = MappingProxyType({
    "submit": May.GUIDE_DRAFT, "publish": May.GUIDE_PUBLISH, "send_back": May.GUIDE_PUBLISH,
    "withdraw": May.GUIDE_PUBLISH,
})  # fmt: skip

REASONED = frozenset({("submitted", "send_back"), ("published", "withdraw")})
"""Moves for which a reason is given."""


IN_FORCE = frozenset({("submitted", "publish"), ("published", "withdraw")})
"""Moves that change what is in force: they are stamped with the catalogue's next generation."""


def state_of(row: Row | DraftRow) -> str:
    """Name the state of a row: a draft that waits to be published is submitted."""
    return "submitted" if row.state == "draft" and row.submitted_by is not None else row.state


def division_of(row: Row | DraftRow) -> str:
    """Give the division that a row speaks for."""
    return MASTER if isinstance(row, GuideVersion) else row.division


def writers(row: Row | DraftRow) -> set[str | None]:
    """Name all who had a hand in a row. The release before keeps only the first and the last."""
    return {row.drafted_by, row.edited_by, *row.editors}


def actions(caller: Caller, row: Row | DraftRow) -> list[str]:
    """List what a caller may do with a row now."""
    return [
        action for state, action in MOVES if state == state_of(row) and _may(caller, row, action)
    ]


def _may(caller: Caller, row: Row | DraftRow, action: str) -> bool:
    is_over = (
        row.state == "published" and row.effective_to is not None and row.effective_to <= today()
    )
    is_own = action == "publish" and caller.id in writers(row)
    return _reaches(caller, NEEDS[action], division_of(row)) and not is_over and not is_own


def _reaches(caller: Caller, may: May, division: str) -> bool:
    areas = caller.reach(may).areas
    return bool(areas) and division.startswith(areas)


def ensure(caller: Caller, may: May, division: str) -> None:
    """Let only those through whose post covers a division.

    Raises:
        Forbidden: theirs does not.
    """
    if not _reaches(caller, may, division):
        raise Forbidden(private=f"{caller.role} lacks {may} in {division}")


def match(row: Row | None, revision: int | None) -> None:
    """Compare what a client has read with what there is; None: nothing.

    Raises:
        GuideStale: it has changed since.
    """
    if (row.revision if row is not None else None) != revision:
        raise GuideStale()


# Drafting


async def draft_version(
    session: AsyncSession, caller: Caller, matter: str, wanted: VersionWanted, *, keys: KeyRing,
    asked: Asked | None,
) -> tuple[GuideVersion, bool]:  # fmt: skip
    """Begin a version of the master; tell whether it is one that the same call began before.

    Raises:
        Forbidden, GuideNotValid, KeyReused, KeyInProgress: as their names say.
    """
    ensure(caller, May.GUIDE_DRAFT, MASTER)
    row = GuideVersion(base_code=matter, **_drafted(wanted, caller, _content(wanted)))
    await _number(session, row)
    earlier = await made_before(session, keys, asked, str(row.version))
    if earlier is not None:
        return await session.get_one(GuideVersion, (matter, int(earlier))), True
    check_version(matter, wanted)
    return await _begin(session, row), False


async def redraft_version(
    session: AsyncSession, caller: Caller, row: GuideVersion, wanted: VersionWanted, revision: int
) -> GuideVersion:
    """Write a draft of the master anew.

    Raises:
        Forbidden, GuideStale, GuideImmutable, GuideActionNotAllowed, GuideNotValid: as their names say.
    """
    ensure(caller, May.GUIDE_DRAFT, MASTER)
    match(row, revision)
    _ensure_draft(caller, row)
    check_version(row.base_code, wanted)
    return await _rewrite(session, caller, row, wanted, _content(wanted))


async def draft_layer(
    session: AsyncSession,
    caller: Caller,
    key: tuple[str, Place],
    wanted: LayerWanted,
    *,
    revision: int | None,
    divisions: DivisionsMemory,
) -> GuideLayer:
    """Write the layer of a place: its draft anew, or a new draft where there is none.

    Raises:
        Forbidden, GuideStale, GuideActionNotAllowed, GuideNotValid: as their names say.
        LayerNotAllowed: naming every locked field and every wrong direction.
    """
    matter, place = key
    ensure(caller, May.GUIDE_DRAFT, place.code)
    await queries.hold_matter(session, matter)
    row = await queries.layer(session, matter, place.code, lock=True)
    match(row, revision)
    if row is not None and state_of(row) == "submitted":
        raise GuideActionNotAllowed(actions=actions(caller, row))
    refuse([*period_faults(wanted), *level_faults(place), *empty_faults(wanted)])
    new = GuideLayer(base_code=matter, division=place.code, **_drafted(wanted, caller, {}))
    grounds = await grounds_of(session, divisions, new)
    check_layer(grounds, wanted.fields())
    content = layers.pack(grounds[0], wanted.fields())
    if row is not None and row.state == "draft":
        return await _rewrite(session, caller, row, wanted, content)
    new.content = content
    await _number(session, new)
    return await _begin(session, new)


def _content(wanted: VersionWanted) -> dict[str, Any]:
    return wanted.guide.model_dump(mode="json")


def _drafted(wanted: Period, caller: Caller, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": 0, "state": "draft", "effective_from": wanted.effective_from,
        "effective_to": wanted.effective_to, "content": content, "drafted_by": caller.id,
        "editors": [caller.id], "generation": 0,
    }  # fmt: skip


async def _number(session: AsyncSession, row: Row) -> None:
    """Number a new draft; who begins another at the same time waits."""
    await queries.hold_matter(session, row.base_code)
    version, revision = await queries.last_number(session, row)
    row.version, row.revision = version + 1, revision + 1


async def _begin(session: AsyncSession, row: R) -> R:
    session.add(row)
    await session.flush()
    return row


async def _rewrite(
    session: AsyncSession, caller: Caller, row: R, wanted: Period, content: dict[str, Any]
) -> R:
    row.effective_from, row.effective_to, row.content = (
        wanted.effective_from, wanted.effective_to, content,
    )  # fmt: skip
    row.editors = [*dict.fromkeys((*row.editors, row.edited_by or caller.id, caller.id))]
    row.edited_by, row.revision = caller.id, row.revision + 1
    session.add(row)
    await session.flush()
    return row


def _ensure_draft(caller: Caller, row: Row) -> None:
    if row.published_by is not None:
        raise GuideImmutable()
    if state_of(row) != "draft":
        raise GuideActionNotAllowed(actions=actions(caller, row))


# On the way to being published, and out of force


async def act(
    session: AsyncSession,
    caller: Caller,
    row: R,
    wanted: GuideActionRequest,
    revision: int,
    *,
    divisions: DivisionsMemory,
) -> R:
    """Take a step.

    Raises:
        Forbidden, GuideSamePerson: who may not.
        GuideStale, GuideActionNotAllowed, GuideOverlaps, LayersInTheWay: not as things stand.
        GuideNotValid, GuideBreaksRules, LayerNotAllowed: not with this content.
    """
    ensure(caller, NEEDS[wanted.action], division_of(row))
    if wanted.action == "publish" and caller.id in writers(row):
        raise GuideSamePerson()
    await _hold(session, row, wanted.action, revision)
    if wanted.action not in actions(caller, row):
        raise GuideActionNotAllowed(actions=actions(caller, row))
    if (state_of(row), wanted.action) in REASONED and wanted.reason is None:
        refuse([Fault("/reason", "missing", Words("请说明原因", "say why"))])
    step = {"submit": _submit, "publish": _publish, "send_back": _send_back, "withdraw": _withdraw}
    row.reason = wanted.reason
    await step[wanted.action](session, caller, row, divisions)
    row.revision += 1
    session.add(row)
    await session.flush()
    return row


async def _hold(session: AsyncSession, row: Row, action: str, revision: int) -> None:
    """Hold what an action changes. Its state needs the row's revision: it can't have changed between."""
    match(row, revision)
    is_in_force = (state_of(row), action) in IN_FORCE
    generation = await raise_generation(session, KIND) if is_in_force else row.generation
    await queries.hold(session, row)
    match(row, revision)
    row.generation = generation


async def _submit(_: AsyncSession, caller: Caller, row: Row, divisions: DivisionsMemory) -> None:
    row.submitted_by = caller.id


async def _send_back(_: AsyncSession, caller: Caller, row: Row, divisions: DivisionsMemory) -> None:
    row.submitted_by = None


async def _publish(
    session: AsyncSession, caller: Caller, row: Row, divisions: DivisionsMemory
) -> None:
    if row.effective_from < today():
        words = Words("不得早于发布当日", "must not be earlier than the day of publication")
        refuse([Fault("/effective_from", "past", words)])
    await _put_in_force(session, row, by=caller.id)
    await check_rules(session, row, divisions)


async def _put_in_force(session: AsyncSession, row: Row, *, by: str) -> None:
    await queries.cut(session, row, row.generation)
    row.state, row.published_by = "published", by
    session.add(row)
    try:
        await session.flush()
    except IntegrityError as error:
        if isinstance(error.orig.__cause__, asyncpg.ExclusionViolationError):  # type: ignore[union-attr]
            raise GuideOverlaps() from error
        raise


async def _withdraw(
    session: AsyncSession, caller: Caller, row: Row, divisions: DivisionsMemory
) -> None:
    """Take out of force from today on. What was accepted under it keeps it."""
    was_published, row.state = row.state == "published", "withdrawn"
    if not was_published:
        return
    has_begun = row.effective_from < today()
    row.effective_to = today() if has_begun else row.effective_from
    session.add(row)
    await session.flush()
    if not has_begun:
        await queries.mend(session, row, row.generation)


# From files


async def publish_file(
    session: AsyncSession, wanted: GuideFile, *, by: str, divisions: DivisionsMemory | None = None
) -> GuideVersion | None:
    """Publish a version out of a file; the one that would go on ends where this one begins.

    Publishing the same content twice changes nothing and gives None.

    Raises:
        GuideImmutable: the version is there already, with another content.
        GuideOverlaps, LayersInTheWay: not as things stand.
        GuideBreaksRules: naming every error.
    """
    content = wanted.guide.model_dump(mode="json")
    known = await queries.version(session, wanted.guide.base_code, wanted.version)
    if known is not None:
        # Compared as guides: a field that came later has its default in both.
        if Guide.model_validate(known.content) != wanted.guide:
            raise GuideImmutable()
        return None
    generation = await raise_generation(session, KIND)
    await _ensure_matter(session, wanted, generation)
    row = GuideVersion(
        base_code=wanted.guide.base_code, version=wanted.version, state="draft",
        effective_from=wanted.effective_from, effective_to=wanted.effective_to,
        content=content, drafted_by=by, generation=generation,
    )  # fmt: skip
    await _put_in_force(session, row, by=by)
    await check_rules(session, row, divisions or DivisionsMemory())
    return row


async def _ensure_matter(session: AsyncSession, wanted: GuideFile, generation: int) -> None:
    """Enter the matter of a guide that the list does not know; what the list says of it stays."""
    if await session.get(Matter, wanted.guide.base_code) is not None:
        return
    pinyin, initials = read_aloud(wanted.guide.name)
    session.add(
        Matter(
            base_code=wanted.guide.base_code, name=wanted.guide.name, pinyin=pinyin,
            initials=initials, generation=generation,
        )
    )  # fmt: skip
    await session.flush()
