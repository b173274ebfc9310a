"""Which columns hold sealed values: known by their names, so that none is forgotten.

A column is called `sealed`, or ends in `_sealed`; its values are bound to table, column and the row's key.
Where the text must never change, a column beside it holds its commitment.
"""

from typing import NamedTuple

import sqlalchemy as sa

from kit.commitment import read
from kit.crypto import KeyRing, place

NAME = "sealed"


class SealedColumn(NamedTuple):
    """A column of sealed values."""

    table: sa.Table
    column: str
    key: str
    commitment: str | None

    @property
    def name(self) -> str:
        """What progress and faults call it."""
        return f"{self.table.name}.{self.column}"

    def place(self, key: object) -> str:
        """Name the place of one value."""
        return place(self.table.name, self.column, key)

    def opens(self, keys: KeyRing, key: object, sealed: bytes, commitment: bytes | None) -> None:
        """Open a value, as a check.

        Raises:
            KeysUnusable: it was changed, moved or replaced, or its key is lost.
        """
        if commitment is None:
            keys.open(sealed, bound_to=self.place(key))
        else:
            read(keys, sealed, commitment, bound_to=self.place(key))


def is_sealed(column: str) -> bool:
    """Tell by its name whether a column holds sealed values."""
    return column == NAME or column.endswith(f"_{NAME}")


def inventory(metadata: sa.MetaData) -> list[SealedColumn]:
    """List all sealed columns there are."""
    return [
        SealedColumn(table, column.name, _key(table), _commitment(table, column.name))
        for table in metadata.sorted_tables
        for column in table.columns
        if is_sealed(column.name)
    ]


def _key(table: sa.Table) -> str:
    (key,) = table.primary_key.columns  # A value is bound to one.
    return str(key.name)


def _commitment(table: sa.Table, column: str) -> str | None:
    name = f"{column.removesuffix(NAME)}commitment"
    return name if name in table.columns else None
