"""What every contract shares."""

import re
import warnings
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
)
from pydantic.warnings import UnsupportedFieldAttributeWarning
from pydantic_core import PydanticCustomError

T = TypeVar("T")

Flag = Annotated[bool, Strict()]
"""True or false, and nothing that may be taken for it."""


def _whole(value: Any) -> Any:
    """Take 5.0 for 5, as JSON Schema does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
Whole = Annotated[int, Strict(), WHOLE]
"""A whole number: neither a text nor a truth that may be taken for it."""

Count = Annotated[int, Strict(), Field(ge=1, lt=2**31), WHOLE]
"""A whole number from 1 on: neither a text nor a truth that may be taken for it."""

DAY_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
INSTANT_FORM = re.compile(
    DAY_FORM.pattern + r"[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


def _written(form: re.Pattern[str]) -> Callable[[Any], Any]:
    """Refuse what has not the form: a number, also as text, would be taken for seconds since 1970."""

    def check(value: Any) -> Any:
        if isinstance(value, date) or (isinstance(value, str) and form.fullmatch(value)):
            return value
        raise PydanticCustomError("form", "a day or an instant is written as RFC 3339 has it")

    return check


WRITTEN = BeforeValidator(_written(DAY_FORM))
Day = Annotated[date, WRITTEN]
"""A day, `YYYY-MM-DD`."""

DayOfOurs = Annotated[
    date,
    Field(ge=date(2000, 1, 1), lt=date(2100, 1, 1), json_schema_extra={"pattern": "^20"}),
    WRITTEN,
]
"""A day on which the service may have had to do with something."""

Instant = Annotated[AwareDatetime, BeforeValidator(_written(INSTANT_FORM))]
"""An instant with its offset (RFC 3339)."""

FILLED = r"\S"
"""Pattern of a text that is not blank: blanks round it are taken off before it is looked at."""

Text = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=FILLED)
]
"""A name or a short phrase, an..200 of GB/T 39046."""

LongText = Annotated[
    str, StringConstraints(min_length=1, max_length=4000, strip_whitespace=True, pattern=FILLED)
]
"""A paragraph."""


# A model is built when it is first asked for: a start builds none that nobody asks for. FastAPI leaves this
# warning unsaid where it builds one at once, for it passes on what a parameter is called beside its type.
warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)


class Request(BaseModel):
    """A body or a query from a client: unknown fields are refused, so that typos are heard."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True, defer_build=True
    )


class Response(BaseModel):
    """An answer to a client: built field by field, never a row of a table."""

    model_config = ConfigDict(from_attributes=True, frozen=True, defer_build=True)


class Listing(Request):
    """What every list can be asked: how many, and from where on."""

    limit: int = Field(50, ge=1, le=200, description="How many at most.")
    after: str | None = Field(None, max_length=600, description="`next` of the page before.")


class Page(Response, Generic[T]):
    """Some items, and where to go on."""

    items: list[T]
    next: str | None = Field(description="Pass as `after` for the next page; null on the last one.")
