"""Copies of guides that clients hold: what is in one, and what of it has changed since.

A client is sent, for each matter that was touched, all that holds in its place from today on, also what is
published to come into force later. So a copy turns by itself with the day, and one call brings it up to date
however long it was away.
"""

from datetime import date
from typing import NamedTuple

from matters.compiled import CompiledGuide
from matters.errors import GuideNotFound
from matters.memory import Catalogue


class Turn(NamedTuple):
    """What holds from a day on."""

    day: date
    guide: CompiledGuide | None


def touched(catalogue: Catalogue, division: str, since: int | None) -> list[str]:
    """List the matters of which a place's copy is not what it was; all that have a guide where it has none.

    A generation that we have not reached was given before a restore: what it knew may not hold.
    """
    if since is None or since > catalogue.generation:
        return [m for m in sorted(catalogue.matters) if catalogue.versions(m)]
    return [m for m in sorted(catalogue.matters) if catalogue.changed_since(m, division, since)]


def turns(catalogue: Catalogue, matter: str, division: str, day: date) -> list[Turn]:
    """List what holds in a place from `day` on, a turn where it changes; nothing where there is no guide."""
    found: list[Turn] = []
    for begin in catalogue.begins(matter, division, day):
        guide = _on(catalogue, matter, division, begin)
        if not found or _tag(found[-1].guide) != _tag(guide):
            found.append(Turn(begin, guide))
    return found if any(turn.guide for turn in found) else []


def _on(catalogue: Catalogue, matter: str, division: str, day: date) -> CompiledGuide | None:
    try:
        return catalogue.resolve(matter, division, day)
    except GuideNotFound:
        return None


def _tag(guide: CompiledGuide | None) -> str | None:
    return guide.etag if guide is not None else None
