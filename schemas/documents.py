"""Papers of an application, on the wire."""

from datetime import datetime

from pydantic import Field

from schemas.applications import AgencyRef, Purpose
from schemas.base import Request, Response


class DocumentView(Response):
    """A paper that was issued (文书)."""

    code: str = Field(
        description="Which paper: REC, ACP, SGZ, NGA, TOL, COM, SPE, EXT, STL, NST, RCH, SUP."
    )
    nth: int = Field(description="Of several of a kind, from 1 on.")
    document: str = Field(description="Its own number (文号).")
    name: str
    agency: AgencyRef = Field(description="In whose name it was issued.")
    issued_at: datetime
    outlet: str | None = Field(description="The outlet that issued it on the agency's behalf.")
    on_behalf: str | None = Field(description="What the paper says of that.")


class DocumentList(Response):
    """All papers of an application, oldest first."""

    items: list[DocumentView]


class PrintRequest(Request):
    """Why a paper is printed in full."""

    purpose: Purpose
