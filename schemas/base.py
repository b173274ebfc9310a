"""What every contract shares."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints
from pydantic_core import PydanticCustomError

T = TypeVar("T")

Flag = Annotated[bool, Strict()]
"""True or false, and nothing that may be taken for it."""

Count = Annotated[int, Strict()]
"""A whole number, written as one."""


def _written(value: Any) -> Any:
    if not isinstance(value, str):
        raise PydanticCustomError("text_expected", "a day or an instant is written as text")
    return value


Written = BeforeValidator(_written)
"""A day or an instant as text: a number would be taken for seconds since 1970."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
"""A name or a short phrase, an..200 of GB/T 39046."""

LongText = Annotated[str, StringConstraints(min_length=1, max_length=4000, strip_whitespace=True)]
"""A paragraph."""


class Request(BaseModel):
    """A body or a query from a client: unknown fields are refused, so that typos are heard."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Response(BaseModel):
    """An answer to a client: built field by field, never a row of a table."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Listing(Request):
    """What every list can be asked: how many, and from where on."""

    limit: int = Field(50, ge=1, le=200, description="How many at most.")
    after: str | None = Field(None, max_length=600, description="`next` of the page before.")


class Page(Response, Generic[T]):
    """Some items, and where to go on."""

    items: list[T]
    next: str | None = Field(description="Pass as `after` for the next page; null on the last one.")
