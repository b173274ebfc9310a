"""The demonstration's outlets: as many as is said, the same at every call, over every township."""

from collections import Counter
from pathlib import Path

from cli import sample

DIVISIONS = Path(__file__).parent.parent / "data" / "divisions" / "divisions.csv"


def test_outlets_are_those_that_are_counted_on() -> None:
    places = sample.townships(DIVISIONS)
    made = list(sample.outlets(places))
    assert len(made) == sample.COUNT == len({o["number"] for o in made})
    assert made == list(sample.outlets(places))
    assert sample.FIRST_OUTLET in {o["number"] for o in made}
    assert all(o["number"].startswith(o["division"][:6]) for o in made)
    assert all("样例" in o["name"] for o in made)


def test_every_township_and_longgang_has_some() -> None:
    places = {place.code for place in sample.townships(DIVISIONS)}
    assert len(places) == 1366
    assert "330383" in places
    found = Counter(o["division"] for o in sample.outlets(sample.townships(DIVISIONS)))
    assert set(found) == places
    assert min(found.values()) >= 7
