"""Next year's list of divisions: what it changes and what that touches, seen before it is done."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from access.callers import area_of
from access.models import Grant
from agencies import queries as agencies
from agencies.models import Agency, AgencyCoverage
from cli.load import read_divisions, unusable
from divisions import queries, service
from divisions.changes import Changes, Pair
from divisions.lists import Form, Line, ListUnusable
from divisions.queries import Standing
from divisions.service import Plan
from kit.db import Sessions, transaction
from matters.models import GuideLayer
from outlets.models import Agreement, Outlet
from routing.models import RoutingRule
from routing.rules import OURS
from schemas.divisions import LEVELS

CODE = 6
COUNTY, TOWNSHIP = 3, 4


def standing(day: date) -> tuple[Standing, ...]:
    """Name all that stands in a division from `day` on."""
    layer, rule = GuideLayer, RoutingRule
    return (
        Standing(
            "outlet", col(Outlet.number), col(Outlet.name), col(Outlet.division),
            col(Outlet.status) != "exited",
        ),
        Standing(
            "agreement", col(Agreement.number), col(Agreement.bank), col(Agreement.division)
        ),
        Standing("agency", col(Agency.code), col(Agency.name), col(Agency.division)),
        Standing(
            "coverage of a county", col(AgencyCoverage.agency), col(AgencyCoverage.level),
            col(AgencyCoverage.county),
        ),
        Standing(
            "layer of a guide", col(layer.base_code), sa.cast(col(layer.version), sa.Text), col(layer.division),
            sa.and_(col(layer.state) != "withdrawn", _lasts(layer.effective_to, day)),
        ),
        Standing(
            "rule of routing", col(rule.rule), col(rule.decided_by), col(rule.area), _lasts(rule.valid_to, day)
        ),
        Standing(
            "post", sa.cast(col(Grant.id), sa.Text), col(Grant.role), col(Grant.scope),
            sa.and_(col(Grant.ended_at).is_(None), sa.func.length(col(Grant.scope)) == CODE),
        ),
    )  # fmt: skip


def _lasts(until: Any, day: date) -> sa.ColumnElement[bool]:
    return sa.or_(col(until).is_(None), col(until) > day)


class Touched(NamedTuple):
    """Something that stands where something changes."""

    kind: str
    key: str
    name: str
    code: str


class Seen(NamedTuple):
    """What a file would change, and whom that touches."""

    plan: Plan
    touched: list[Touched]
    uncovered: list[Line]
    """Counties of ours that no agency of some level covers yet."""

    @property
    def only_adds(self) -> bool:
        """Tell whether nothing that is known changes: a first list, a history, or what is there already."""
        is_history = self.plan.listed.form is Form.HISTORY
        return self.plan.is_first or is_history or not self.plan.writes.size


async def see(session: AsyncSession, planned: Plan) -> Seen:
    """Look for what stands where a plan changes something."""
    changes, touched = planned.changes, list[Touched]()
    within, at = _areas(changes), _above(planned) | _bared(planned)
    for what in standing(planned.day) if changes.size else ():
        touched += [Touched(*row) for row in await queries.standing(session, what, within, at)]
    fresh = [*changes.appear, *(p.after for p in changes.pairs if p.after.code != p.before.code)]
    counties = {f.code: f for f in fresh if f.level == COUNTY and f.code.startswith(OURS)}
    covered = await agencies.levels_covering(session, counties)
    bare = [
        line for code, line in counties.items() if covered.get(code, set()) < set(LEVELS[:COUNTY])
    ]
    return Seen(planned, touched, bare)


def _areas(changes: Changes) -> set[str]:
    places = [*changes.disappear, *(pair.before for pair in changes.pairs)]
    return {digits(place.code) for place in places}


def digits(code: str) -> str:
    """Give the digits that all within a division share."""
    return area_of(code) if len(code) == CODE else code


def _above(planned: Plan) -> set[str]:
    """Name what moved places lay in and lie in now, where that differs: others decide there."""
    old = {place.code: place.parent for place in planned.there}
    new = {line.code: line.parent for line in planned.lines}
    found: set[str] = set()
    for pair in planned.changes.moved:
        found |= {*_line(pair.before.parent, old)} ^ {*_line(pair.after.parent, new)}
    return found


def _line(code: str | None, parents: dict[str, str | None]) -> Iterator[str]:
    while code is not None:
        yield code
        code = parents.get(code)


def _bared(planned: Plan) -> set[str]:
    """Name the counties that begin to have townships, or have none any more: outlets stand at the lowest."""
    had = {place.parent for place in planned.there if place.level == TOWNSHIP}
    has = {line.parent for line in planned.lines if line.level == TOWNSHIP}
    both = {place.code for place in planned.there} & {line.code for line in planned.lines}
    return {code for code in had ^ has if code in both}


def told(seen: Seen) -> Iterator[str]:
    """Put it into lines, one for each thing."""
    planned = seen.plan
    changes, names = planned.changes, _names(planned)
    if planned.listed.form is Form.HISTORY:
        return
    scheme, day = planned.listed.scheme, planned.day
    yield (
        f"{scheme}, from {day}: {len(changes.appear)} appear, {len(changes.disappear)} disappear,"
        f" {len(changes.renamed)} renamed, {len(changes.moved)} moved; touched: {len(seen.touched)}"
    )
    if planned.is_first:
        return
    for line in changes.appear:
        yield f"appears     {line.code} {line.name} in {names(line.parent)}"
    for place in changes.disappear:
        now = ", ".join(names(code) for code in changes.heirs.get(place.code, ()))
        yield f"disappears  {names(place.code)}: {now or 'the list does not say what takes its place'}"
    for pair in changes.renamed:
        yield f"renamed     {_both(pair)}"
    for pair in changes.moved:
        yield f"moved       {_both(pair)} in {names(pair.after.parent)}, before in {names(pair.before.parent)}"
    for place in planned.writes.drop:
        yield f"taken back  {place.code} {place.name}, of an earlier list of that day"
    yield from _consequences(seen)


def _both(pair: Pair) -> str:
    return f"{pair.before.code} {pair.before.name}: {pair.after.code} {pair.after.name}"


def _names(planned: Plan) -> Callable[[str | None], str]:
    """Name what was there before, and what is only there after."""
    known = {line.code: line.name for line in planned.lines}
    known |= {place.code: place.name for place in planned.there}
    after = {line.code: line.name for line in planned.lines}
    return lambda code: f"{code} {after.get(code or '') or known.get(code or '', '')}".strip()


def _consequences(seen: Seen) -> Iterator[str]:
    for one in sorted(seen.touched):
        yield f"touched     {one.kind} {one.key} {one.name}, at {one.code}"
    for line in seen.uncovered:
        yield f"uncovered   {line.code} {line.name}: no agency covers it yet, of province, city and county"


async def look(sessions: Sessions, path: Path, on: date | None, *, much: bool = False) -> Seen:
    """Work out what a file would change and whom that touches; nothing is changed.

    Raises:
        LoadFailed: the file can't be taken.
    """
    listed = read_divisions(path)
    try:
        async with transaction(sessions) as session:
            return await see(session, await service.plan(session, listed, on, much=much))
    except ListUnusable as error:
        raise unusable(path, error) from None
