"""The states of an archive, as data: what is done with it, from which state, to which."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from schemas.guides import ArchiveDeed as Deed

KEPT, LENT, MOVING, GONE, NONE = "kept", "lent", "transferring", "transferred", ""
GIVE_BACK, RETURN, ENTER = "give_back", "return", "enter"


class Move(NamedTuple):
    """One thing that is done with an archive."""

    sources: tuple[str, ...]
    target: str
    moves_place: bool = False
    """It is with the agency that does it from then on; else that agency must have it already."""


MOVES: Mapping[str, Move] = MappingProxyType({
    ENTER: Move((NONE,), KEPT, moves_place=True),
    Deed.SEND: Move((KEPT,), MOVING),
    Deed.ARRIVE: Move((NONE, MOVING, GONE), KEPT, moves_place=True),
    Deed.LEAVE: Move((MOVING,), GONE),
    Deed.LEND: Move((KEPT,), LENT),
    Deed.CONSULT: Move((KEPT,), KEPT),
    Deed.CERTIFY: Move((KEPT,), KEPT),
    GIVE_BACK: Move((MOVING,), KEPT),
    RETURN: Move((LENT,), KEPT),
})  # fmt: skip
"""An archive that is lent or on its way is nobody's to lend, to send or to certify from."""

OUTSIDE = (NONE, GONE)
"""What is sent from another province was never here, or has left: its sender is not ours to ask."""
