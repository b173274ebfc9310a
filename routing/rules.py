"""Which agency does a step: read off the place that the application names."""

from datetime import date
from typing import Any, NamedTuple

from agencies.memory import AgenciesMemory
from agencies.models import Agency
from divisions.memory import DivisionsMemory
from kit.errors import Fault, Words
from matters.compiled import CompiledGuide
from schemas.guides import Basis


class Routed(NamedTuple):
    """An agency, or why there is none."""

    agency: Agency | None
    fault: Fault | None


def route(
    guide: CompiledGuide,
    form: dict[str, Any],
    outlet_county: str,
    *,
    agencies: AgenciesMemory,
    divisions: DivisionsMemory,
    day: date,
    step: int = 1,
    before: str = "",
) -> Routed:
    """Find the agency of a step; `before` is that of the step before.

    The step's basis names a place: the county where the outlet is, or the form field with that
    `x-routing`. The agency of the step's level that covers the place's county does it. Personal matters
    go to the insured place (社会保险经办条例 5, 12-16 leave competence with its agency).
    """
    wanted = guide.guide.steps[step - 1]
    if wanted.basis is Basis.OUTLET:
        return _covering(agencies, wanted.level, outlet_county, "")
    field = wanted.field or guide.routing.get(wanted.basis, "")
    place = form.get(field)
    county = divisions.county(place, day) if isinstance(place, str) else None
    found = _covering(agencies, wanted.level, county.code if county else "", f"/form/{field}")
    if found.agency is None and before in agencies.by_code:
        return Routed(agencies.by_code[before], None)
    return found


def _covering(agencies: AgenciesMemory, level: str, county: str, at: str) -> Routed:
    agency = agencies.covering(level, county)
    if agency is not None:
        return Routed(agency, None)
    words = Words(
        "该地没有负责此事项的经办机构，请填写到县(市、区)的区划代码",
        "no agency decides this matter there: name a county or township",
    )
    return Routed(None, Fault(at, "no-agency", words))
