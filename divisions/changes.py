"""What a list changes in what is known: who appears, disappears, is renamed or moved. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from divisions.lists import ADDED, Fault, Form, Line, Listed, lines_by
from divisions.memory import Place, level_of, stem
from divisions.models import UNKNOWN_START

MUCH = 0.2
"""Share of a province's divisions that no year changes: a list that does is cut short, or of another scheme."""

FEW = 50
"""Of a province of which so few are known, any share may change."""


class Pair(NamedTuple):
    """A division before and after."""

    before: Place
    after: Line


class Changes(NamedTuple):
    """What a list changes from its first day on."""

    appear: list[Line]
    disappear: list[Place]
    renamed: list[Pair]
    """Under its code, or with it: a township that became a town has another."""
    moved: list[Pair]
    """To another parent, and so mostly with another code."""
    heirs: Mapping[str, list[str]]
    """What takes the place of each code that means something else afterwards."""

    @property
    def pairs(self) -> list[Pair]:
        """List who is there before and after, and not the same."""
        return self.renamed + self.moved

    @property
    def size(self) -> int:
        """Count them."""
        return len(self.appear) + len(self.disappear) + len(self.pairs)


class Writes(NamedTuple):
    """What is written for it; nothing where all of it is known."""

    put: list[Place]
    """Rows to be there, by scheme, code and first day."""
    drop: list[Place]
    """Rows of the list's own first day that it does not name any more."""

    @property
    def size(self) -> int:
        """Count them."""
        return len(self.put) + len(self.drop)


def day_before(day: date) -> date:
    """Give the day before; there is none before the first."""
    return day if day == date.min else day - timedelta(days=1)


def before(known: Sequence[Place], day: date) -> list[Place]:
    """Choose what is there before a list's first day."""
    return [] if day == UNKNOWN_START else [p for p in known if p.on(day_before(day))]


def lines_after(
    listed: Listed, known: Sequence[Place], day: date
) -> tuple[list[Line], list[Fault]]:
    """Give all lines that hold from the list's first day on: its own, or what is there with its changes.

    Changes that have been made already are passed over, so a file may be loaded again.
    """
    if listed.form is not Form.CHANGES:
        return listed.lines, []
    there = {place.code: place for place in before(known, day)}
    once = {(place.code, place.name) for place in known}
    added = [line for line in listed.lines if line.change == ADDED]
    removed = {line.code: line for line in listed.lines if line.change != ADDED}
    faults = [*_cannot_go(removed.values(), there, once), *_cannot_come(added, there, removed)]
    new = {line.code for line in added}
    gone = {code for code, line in removed.items() if there.get(code, line).name == line.name}
    stay = [_as_line(p) for code, p in there.items() if code not in gone and code not in new]
    return stay + added, faults


def _cannot_go(
    removed: Iterable[Line], there: Mapping[str, Place], once: set[tuple[str, str]]
) -> Iterator[Fault]:
    for line in removed:
        place = there.get(line.code)
        if place is not None and (place.name != line.name or place.parent != line.parent):
            yield Fault(line.line, "name", f"this code means {place.name} in {place.parent}")
        elif place is None and (line.code, line.name) not in once:
            yield Fault(line.line, "code", "nothing of this code and name is known")


def _cannot_come(
    added: Sequence[Line], there: Mapping[str, Place], removed: Mapping[str, Line]
) -> Iterator[Fault]:
    coming = lines_by(added)
    for line in added:
        place = there.get(line.code)
        if place is not None and line.code not in removed and place.name != line.name:
            yield Fault(line.line, "code", f"this code means {place.name}, which is not removed")
        parent = line.parent or ""
        if parent not in coming and (parent not in there or parent in removed):
            yield Fault(line.line, "county_code", "there is no such parent")
        elif level_of(parent) >= line.level or parent[:2] != line.code[:2]:
            yield Fault(line.line, "county_code", "not of a level above, or elsewhere")


def _as_line(place: Place) -> Line:
    return Line(0, place.code, place.name, place.level, place.parent, place.lat, place.lng)


def faults_of(lines: Sequence[Line], there: Sequence[Place], much: bool) -> Iterator[Fault]:
    """Find what a list says against what is known."""
    after, known = lines_by(lines), {place.code: place for place in there}
    for line in lines:
        for code in line.replaces:
            if code not in known:
                yield Fault(line.line, "replaces", f"{code} is not there before")
            elif code in after and after[code].name == known[code].name:
                yield Fault(line.line, "replaces", f"{code} stays as it is")
    if not much:
        yield from _too_much(after, there)


def _too_much(after: Mapping[str, Line], there: Sequence[Place]) -> Iterator[Fault]:
    all_, other = Counter(p.code[:2] for p in there), Counter[str]()
    for place in there:
        line = after.get(place.code)
        other[place.code[:2]] += line is None or line.name != place.name
    for province, number in other.items():
        if all_[province] > FEW and number > MUCH * all_[province]:
            words = (
                f"{number} of {all_[province]} codes of {province}0000 would mean nothing or something else:"
                " is it whole, and of this scheme? If it is right, say --much"
            )
            yield Fault(1, "file", words)


def compare(lines: Sequence[Line], there: Sequence[Place]) -> Changes:
    """Compare all that is there from a day on with what is there before it.

    A place keeps its name within its parent, or else its code; who has neither is looked for by what the list
    says (`replaces`), else by its name, or what is left of it without its kind, where only one can be meant.
    """
    old, new = {place.code: place for place in there}, lines_by(lines)
    heirs: dict[str, list[str]] = defaultdict(list)
    pairs = _kept(old, new)
    met = {line.code for line in pairs.values()}
    left = {code: place for code, place in old.items() if code not in pairs}
    fresh = {code: line for code, line in new.items() if code not in met}
    for line in lines:
        for code in line.replaces:
            heirs[code].append(line.code)
    pairs |= _said(heirs, left, fresh)
    for same in (_by_name, _by_stem, _by_name_elsewhere):
        met = {line.code for line in pairs.values()}
        goes = [p for p in left.values() if p.code not in pairs and p.code not in heirs]
        comes = [line for line in fresh.values() if line.code not in met and not line.replaces]
        pairs |= _matched(goes, comes, same)
    return _sorted_out(old, new, pairs, heirs)


def _kept(old: Mapping[str, Place], new: Mapping[str, Line]) -> dict[str, Line]:
    """Match who keeps name and parent, then who keeps its code; codes are at times dealt out anew."""
    by_name = {(line.parent, line.name): line for line in new.values()}
    pairs = {}
    for code, place in old.items():
        same = new.get(code)
        if same is None or (same.parent, same.name) != (place.parent, place.name):
            same = by_name.get((place.parent, place.name))
        if same is not None:
            pairs[code] = same
    met = {line.code for line in pairs.values()}
    return pairs | {
        code: new[code]
        for code in old if code not in pairs and code in new and code not in met
    }  # fmt: skip


def _said(
    heirs: Mapping[str, list[str]], left: Mapping[str, Place], fresh: Mapping[str, Line]
) -> dict[str, Line]:
    """Match who takes the place of one alone, and is the only one that does."""
    return {
        code: fresh[named[0]]
        for code, named in heirs.items()
        if code in left and len(named) == 1 and named[0] in fresh
        and fresh[named[0]].replaces == (code,)
    }  # fmt: skip


Key = Callable[[str, str | None, str], object]


def _by_name(code: str, parent: str | None, name: str) -> object:
    return len(code), code[:4], name


def _by_stem(code: str, parent: str | None, name: str) -> object:
    return len(code), parent, stem(name)


def _by_name_elsewhere(code: str, parent: str | None, name: str) -> object:
    return len(code), code[:2], name


def _matched(left: Sequence[Place], fresh: Sequence[Line], same: Key) -> dict[str, Line]:
    """Match where on both sides only one can be meant."""
    goes, comes = defaultdict[object, list[Place]](list), defaultdict[object, list[Line]](list)
    for place in left:
        goes[same(place.code, place.parent, place.name)].append(place)
    for line in fresh:
        comes[same(line.code, line.parent, line.name)].append(line)
    return {
        found[0].code: comes[key][0]
        for key, found in goes.items()
        if len(found) == 1 and len(comes.get(key, ())) == 1
    }


def _sorted_out(
    old: Mapping[str, Place], new: Mapping[str, Line], pairs: Mapping[str, Line], heirs: Mapping[str, list[str]]
) -> Changes:  # fmt: skip
    met = {line.code for line in pairs.values()}
    changed = [
        Pair(old[code], line) for code, line in sorted(pairs.items()) if _is_other(old[code], line)
    ]
    after = dict(heirs) | {pair.before.code: [pair.after.code] for pair in changed}
    return Changes(
        appear=[line for code, line in sorted(new.items()) if code not in met],
        disappear=[place for code, place in sorted(old.items()) if code not in pairs],
        renamed=[pair for pair in changed if pair.before.parent == pair.after.parent],
        moved=[pair for pair in changed if pair.before.parent != pair.after.parent],
        heirs=after,
    )


def _is_other(place: Place, line: Line) -> bool:
    return (place.code, place.name, place.parent) != (line.code, line.name, line.parent)


def writes(
    known: Sequence[Place], lines: Sequence[Line], found: Changes, scheme: str, day: date
) -> Writes:
    """Work out the rows that say what is there from `day` on, where they are not there already.

    So a list that is loaded again writes nothing, and one that was mended takes the place of the first.
    """
    there = {place.code: place for place in before(known, day)}
    wanted = {(p.code, p.valid_from): p for p in _wanted(there, lines, found, scheme, day)}
    have = {(p.code, p.valid_from): p for p in known}
    put = [place for key, place in wanted.items() if have.get(key) != place]
    drop = [p for key, p in have.items() if p.valid_from == day and key not in wanted]
    return Writes(put, drop)


def _wanted(
    there: Mapping[str, Place], lines: Sequence[Line], found: Changes, scheme: str, day: date
) -> Iterator[Place]:
    after = lines_by(lines)
    for code, place in there.items():
        line = after.get(code)
        if line is not None and not _is_other(place, line):
            lat, lng = _point_of(line if line.lat is not None else place)
            same = place.valid_to is None and (place.lat, place.lng) == (lat, lng)
            yield place if same else place._replace(valid_to=None, successors=[], lat=lat, lng=lng)
        else:
            yield place._replace(valid_to=day, successors=sorted({*found.heirs.get(code, ())}))
    was = {pair.after.code: pair.before for pair in found.pairs}
    for line in lines:
        same_one = there.get(line.code)
        if same_one is None or _is_other(same_one, line):
            point = _point_of(line if line.lat is not None else was.get(line.code))
            yield Place(
                scheme, line.code, day, None, line.name, line.level, line.parent, *point, []
            )


def _point_of(place: Place | Line | None) -> tuple[float | None, float | None]:
    """Give a point: a place that is called otherwise lies where it did."""
    return (place.lat, place.lng) if place is not None else (None, None)


def dated(known: Sequence[Place], listed: Listed) -> tuple[Writes, list[Fault]]:
    """Work out the rows of a history: periods that are over, and since when something has been there.

    What is there keeps its end and its point; only a first day that nobody knew is filled in.
    """
    undated = {(p.code, p.name): p for p in known if p.valid_from == UNKNOWN_START}
    have = {(p.code, p.valid_from): p for p in known}
    codes = {p.code for p in known} | {line.code for line in listed.lines}
    same = {line.line: place for line in listed.lines if (place := _undated(line, undated))}
    drop = [same[line.line] for line in listed.lines if line.valid_from and line.line in same]
    redated = {(place.code, place.valid_from) for place in drop}
    stay = {key: place for key, place in have.items() if key not in redated}
    faults, put = list[Fault](), list[Place]()
    for line in listed.lines:
        was = same.get(line.line) or stay.get(_began(line))
        wrong = _not_so(line, was, stay.get(_began(line)), codes)
        faults += wrong
        put += [] if wrong else _period_of(line, was, listed.scheme)
    put = [place for place in put if have.get((place.code, place.valid_from)) != place]
    return Writes(put, drop), faults + _laps(have, put, drop, listed.lines)


def _undated(line: Line, undated: Mapping[tuple[str, str], Place]) -> Place | None:
    """Find what a line tells the first day of: what it says to have ended must have ended then."""
    place = undated.get((line.code, line.name))
    return place if place and line.valid_to in (None, place.valid_to) else None


def _began(line: Line) -> tuple[str, date]:
    return line.code, line.valid_from or UNKNOWN_START


def _not_so(line: Line, was: Place | None, then: Place | None, codes: set[str]) -> list[Fault]:
    """Tell what speaks against a line of a history: `then` is who began on its first day."""
    if then is not None and then.name != line.name:
        return [Fault(line.line, "name", f"from that day this code means {then.name}")]
    if line.parent is not None and line.parent not in codes:
        return [Fault(line.line, "parent_code", "nobody knows of it")]
    if line.valid_to is None and was is None:
        words = "not there today, or since another day: load the list first"
        return [Fault(line.line, "code", words)]
    return []


def _period_of(line: Line, was: Place | None, scheme: str) -> list[Place]:
    if line.valid_to is None:
        return [was._replace(valid_from=_began(line)[1])] if was is not None else []
    lat, lng = _point_of(was) if was is not None else (line.lat, line.lng)
    return [Place(
        scheme, *_began(line), line.valid_to, line.name, line.level, line.parent, lat, lng,
        list(line.successors),
    )]  # fmt: skip


def _laps(
    have: Mapping[tuple[str, date], Place], put: Sequence[Place], drop: Sequence[Place], lines: Sequence[Line]
) -> list[Fault]:  # fmt: skip
    """Find periods that would overlap with what is known."""
    then = dict(have)
    for place in drop:
        del then[place.code, place.valid_from]
    then |= {(place.code, place.valid_from): place for place in put}
    at = {(line.code, line.valid_from or UNKNOWN_START): line for line in lines}
    found = []
    for (code, begins), (other, later) in pairwise(sorted(then)):
        ends = then[code, begins].valid_to
        if code == other and (ends is None or later < ends):
            line = at.get((other, later)) or at.get((code, begins))
            words = f"within another period of {code} ({then[code, begins].name})"
            found.append(Fault(line.line if line else 1, "valid_from", words))
    return found
