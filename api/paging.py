"""Pages of lists: marks are bound to the list, its filters and its caller."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from access.callers import Caller
from api.state import State
from kit.paging import decode_cursor, encode_cursor
from schemas.base import Request

T = TypeVar("T")


class Pager:
    """Reads the mark of a list request, and makes the one of the next page."""

    def __init__(
        self, state: State, name: str, caller: Caller, narrow: Request, *, lasting: bool = False
    ) -> None:
        """Of marks that are kept for long (`lasting`) a filter that a later release adds undoes none."""
        self._keys = state.keys
        passing = {"after", "limit", "wait"}  # Of one call; all else is of the list.
        filters = narrow.model_dump_json(exclude=passing, exclude_defaults=lasting)
        self._purpose = f"{name}\0{caller.terminal or caller.id}\0{filters}"
        self._after: str | None = getattr(narrow, "after", None)

    @property
    def position(self) -> list[Any] | None:
        """Where the page before ended; None on the first.

        Raises:
            CursorInvalid: the mark is not of this list and caller.
        """
        return decode_cursor(self._keys, self._purpose, self._after) if self._after else None

    def mark(self, position: list[Any]) -> str:
        """Make the mark of a place."""
        return encode_cursor(self._keys, self._purpose, position)

    def page(
        self, rows: Iterable[T], limit: int, key: Callable[[T], list[Any]], show: Callable[[T], Any]
    ) -> dict[str, Any]:
        """Cut a page out of rows that begin after the position."""
        found = list(islice(rows, limit + 1))
        more = len(found) > limit
        following = self.mark(key(found[limit - 1])) if more else None
        return {"items": [show(row) for row in found[:limit]], "next": following}
