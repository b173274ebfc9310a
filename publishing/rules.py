"""What may be kept as a draft, and what may be published."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

from sqlmodel.ext.asyncio.session import AsyncSession

from conformity import forms, layers, lint
from conformity.findings import Class, Finding, faults_of, pointer
from divisions.memory import DivisionsMemory, Place
from kit.errors import Fault, Words
from matters import queries, register
from matters.compiled import MASTER
from matters.errors import GuideBreaksRules, GuideNotValid, LayerNotAllowed, LayersInTheWay
from matters.models import GuideLayer, GuideVersion
from schemas.drafting import LayerWanted, Period, VersionWanted
from schemas.guides import GuideContent

Row: TypeAlias = GuideVersion | GuideLayer
UNKNOWN = Words("依据登记册中没有该文件", "the register has no such document")


def refuse(faults: Sequence[Fault]) -> None:
    """Refuse a draft that has faults.

    Raises:
        GuideNotValid: naming them all.
    """
    if faults:
        raise GuideNotValid(faults=faults)


def period_faults(wanted: Period) -> Iterator[Fault]:
    """Find what is wrong with a period."""
    if wanted.effective_to is not None and wanted.effective_to <= wanted.effective_from:
        words = Words("须晚于生效日期", "must be later than effective_from")
        yield Fault("/effective_to", "period", words)


def level_faults(place: Place) -> Iterator[Fault]:
    """Find out whether a place is one that has layers."""
    if place.level == 1 or not place.code.startswith(MASTER[:2]):
        words = Words(
            "地方内容由本省市、县、乡镇填写",
            "layers are of the province's cities, counties, townships",
        )
        yield Fault("/path/division", "level", words)


def empty_faults(wanted: LayerWanted) -> Iterator[Fault]:
    """Find out whether a layer says nothing."""
    if not wanted.fields():
        words = Words("至少填写一个栏目", "say at least one field otherwise")
        yield Fault("", "empty", words)


def check_version(matter: str, wanted: VersionWanted) -> None:
    """Refuse a draft of the master whose period, code or form can't be kept.

    Raises:
        GuideNotValid: naming all of it.
    """
    faults = [*period_faults(wanted)]
    if wanted.guide.base_code != matter:
        words = Words("与地址中的事项不符", "is not the matter of the path")
        faults.append(Fault("/guide/base_code", "matter", words))
    refuse(faults + faults_of(forms.check(wanted.guide.form_schema), "/guide"))


def check_layer(grounds: Sequence[GuideContent], wanted: Mapping[str, Any]) -> None:
    """Refuse what a layer may not say over any of the masters within its period.

    Raises:
        GuideNotValid: there is none.
        LayerNotAllowed: naming every locked field and every wrong direction, else every rule it breaks.
    """
    if not grounds:
        words = Words("该期间没有省级办事指南", "the province has no guide in that period")
        raise GuideNotValid(faults=[Fault("/effective_from", "no-master", words)])
    found = {(f.at, f.rule): f for above in grounds for f in layer_faults(above, wanted)}
    if found:
        raise LayerNotAllowed(faults=list(found.values()))


def layer_faults(above: GuideContent, wanted: Mapping[str, Any]) -> list[Fault]:
    """List what of a layer may not lie over a guide; where all of it may, the rules that are broken with it."""
    faults = layers.check(above, wanted)
    if faults:
        return faults
    laid = above.model_copy(update=layers.lay(above, layers.pack(above, wanted)))
    known = {_named(above, error) for error in _errors(above)}
    return [error.fault() for error in _errors(laid) if _named(laid, error) not in known]


def _errors(guide: GuideContent) -> list[Finding]:
    """Find the errors that a layer can make: not those of the form, which no layer changes."""
    found = (finding for rule in lint.LINT for finding in rule(guide))
    return [finding for finding in found if finding.level is Class.ERROR]


def _named(guide: GuideContent, error: Finding) -> tuple[str, ...]:
    """Name an error by its material's code: its place moves when another is left out."""
    _, *path = error.at.split("/")
    if path[0] == "materials" and len(path) > 1:
        path[1] = guide.materials[int(path[1])].code
    return (error.code, *path)


async def grounds_of(
    session: AsyncSession, divisions: DivisionsMemory, row: GuideLayer
) -> list[GuideContent]:
    """Give what stands above a layer: once for each master in force within its period."""
    period = (row.base_code, row.effective_from, row.effective_to)
    masters = await queries.published(session, GuideVersion, *period)
    over = await queries.published(session, GuideLayer, *period)
    line = divisions.line(row.division, row.effective_from)[:-1]
    found = []
    for master in masters:
        day = max(master.effective_from, row.effective_from)
        upper = [one for code in line for one in over if one.division == code and _on(one, day)]
        found.append(_laid(GuideContent.model_validate(master.content), upper))
    return found


def _on(row: Row, day: date) -> bool:
    return row.effective_from <= day and (row.effective_to is None or day < row.effective_to)


def _laid(guide: GuideContent, over: Sequence[GuideLayer]) -> GuideContent:
    for one in over:
        guide = guide.model_copy(update=layers.lay(guide, one.content))
    return guide


async def check_rules(session: AsyncSession, row: Row, divisions: DivisionsMemory) -> None:
    """Refuse what may not be published.

    Raises:
        LayersInTheWay: layers that are published would not be legal under it.
        GuideBreaksRules: naming every error.
        LayerNotAllowed: naming every fault against what stands above it now.
    """
    in_the_way = await layers_in_the_way(session, row, divisions)
    if in_the_way:
        raise LayersInTheWay(layers=in_the_way)
    if isinstance(row, GuideVersion):
        faults = faults_of(await _checked(session, row), "/guide")
        if faults:
            raise GuideBreaksRules(faults=faults)
    else:
        for above in await grounds_of(session, divisions, row):
            check_layer([above], layers.unpack(above, row.content))


async def _checked(session: AsyncSession, row: GuideVersion) -> list[Finding]:
    """Find what breaks a rule in a guide, and what of the register it names that is not there."""
    guide = GuideContent.model_validate(row.content)
    known = await register.codes(session)
    unknown = [
        Finding("document-unknown", pointer("legal_bases", at, "document"), Class.ERROR, UNKNOWN)
        for at, basis in enumerate(guide.legal_bases)
        if basis.document and basis.document not in known
    ]
    return unknown + lint.check(guide)


async def layers_in_the_way(
    session: AsyncSession, row: Row, divisions: DivisionsMemory
) -> list[dict[str, Any]]:
    """List the published layers that would not be legal under a row, each with its faults."""
    period = (row.base_code, row.effective_from, row.effective_to)
    below = await queries.published(session, GuideLayer, *period)
    if isinstance(row, GuideLayer):
        grounds = await grounds_of(session, divisions, row)
        below = [one for one in below if _is_within(divisions, one, row)]
        above = [_laid(guide, [row]) for guide in grounds]
    else:
        above = [GuideContent.model_validate(row.content)]
    found = [(one, _faults_under(above, one)) for one in below]
    return [_in_the_way(one, faults) for one, faults in found if faults]


def _is_within(divisions: DivisionsMemory, one: GuideLayer, row: GuideLayer) -> bool:
    return row.division in divisions.line(one.division, row.effective_from)[:-1]


def _faults_under(above: Sequence[GuideContent], one: GuideLayer) -> list[Fault]:
    return [
        fault for guide in above for fault in layer_faults(guide, layers.unpack(guide, one.content))
    ]


def _in_the_way(one: GuideLayer, faults: Sequence[Fault]) -> dict[str, Any]:
    listed = [{"at": f.at, "rule": f.rule, "message": f.message} for f in faults]
    return {"division": one.division, "version": one.version, "errors": listed}


async def findings(
    session: AsyncSession, row: GuideVersion, divisions: DivisionsMemory
) -> list[Finding]:
    """Say what the rules say of a version, and which layers it would make illegal."""
    found = await _checked(session, row)
    for one in await layers_in_the_way(session, row, divisions):
        for fault in one["errors"]:
            at = pointer("layers", one["division"]) + fault["at"]
            found.append(Finding("layer-in-the-way", at, Class.ERROR, fault["message"]))
    return found
