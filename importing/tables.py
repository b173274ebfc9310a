"""The table that stands in a file: headings, and rows below them, tidied; for the process that reads.

That process has little memory, and what it does here the one that writes need not do: nothing of the database.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from judging.columns import Columns, columns, is_heading, known
from judging.tidying import Tidier

TOTALS = re.compile(
    r"(合计|总计|小计|共计|备注|说明|填写说明|填表说明|示例|例[:：]|注[:：]|注意|填表人|填报人|填报单位|制表|审核人|"
    r"复核人|负责人签|单位盖章|盖章|日期[:：]|制表日期|填报日期)"
)
"""How lines begin that people put under a table, or above its rows, and that are no rows."""


Line: TypeAlias = Sequence[Any]
"""Number of a record, its cells, what is wrong with it as a whole, and the share of the file read with it."""


def tidied(messages: Iterable[dict[str, Any]], *, waiting: bool) -> Iterator[dict[str, Any]]:
    """Put a table of tidied rows in the place of lines: of rows that name a parent, or of the others."""
    table = Table()
    for message in messages:
        if "lines" in message:
            yield from table.told(message["lines"], waiting)
        else:
            yield message


class Table:
    """What has been understood of a file."""

    def __init__(self) -> None:
        self._tidier: Tidier | None = None
        self._heading: tuple[str, ...] = ()
        self._notes: set[str] = set()

    def told(self, lines: Sequence[Line], waiting: bool) -> Iterator[dict[str, Any]]:
        """Tell of the rows among some lines; the first lines hold the headings."""
        if self._tidier is None:
            heads, lines = self._headings(lines)
            yield {"columns": heads}
            self._tidier = Tidier(heads)
        lines = [line for line in lines if self._is_row(line[1])]
        rows = [self._tidier.tidy(*line[:3]) for line in lines]
        found = [row.parts() for row in rows if row.waits == waiting]
        yield {
            "rows": found, "others": len(rows) - len(found), "notes": [*self._notes],
            "done": lines[-1][3] if lines else 0.0,
        }  # fmt: skip

    def _headings(self, lines: Sequence[Line]) -> tuple[Columns, Sequence[Line]]:
        """Read the headings; give what stands below them, too."""
        counts = [known(line[1]) if is_heading(line[1]) else 0 for line in lines[:30]]
        at = counts.index(max(counts))
        heads = [lines[at][1]]
        if at > 0 and self._completes(lines[at - 1][1]):
            heads.insert(0, lines[at - 1][1])
        end = at + 1
        while end < len(lines) and self._completes(lines[end][1]):
            heads.append(lines[end][1])
            end += 1
        if len(heads) > 1:
            self._notes.add("headings_twice")
        found, self._heading = columns(heads), tuple(lines[at][1])
        if set(found.unknown):
            self._notes.add("columns_unknown")
        if found.is_register:
            self._notes.add("register_list")
        return found, lines[end:]

    def _completes(self, cells: Sequence[str]) -> bool:
        """Tell whether a line beside the headings holds headings too, and nothing else."""
        filled = [cell for cell in cells if cell.strip()]
        return bool(filled) and known(filled) == len(filled)

    def _is_row(self, cells: Sequence[str]) -> bool:
        if tuple(cells) == self._heading:
            self._notes.add("headings_repeated")
            return False
        filled = [cell.strip() for cell in cells if cell.strip()]
        if not filled:
            return False
        if TOTALS.match(filled[0]) and len(filled) <= max(4, len(self._heading) // 3):
            self._notes.add("totals_skipped")
            return False
        return True
