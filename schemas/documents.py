"""Papers of an application, on the wire."""

from datetime import datetime
from typing import Any

from pydantic import Field

from schemas.applications import AgencyRef, Purpose
from schemas.base import Request, Response


class DocumentView(Response):
    """A paper that was issued (文书)."""

    code: str = Field(
        description="Which paper: REC, ACP, SGZ, NGA, TOL, COM, SPE, EXT, STL, NST, RCH, SUP; of an archive"
        " DAZ, DAH, DAM, DAJ."
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


class PaperView(DocumentView):
    """What a paper says, with all that is personal masked, and its receipt."""

    receipt: str = Field(
        description="Signed: what its QR code holds, checked without us by `GET /v1/receipt-keys`."
    )
    words: dict[str, Any] = Field(
        description="The digest is their SHA-256, as JSON in UTF-8 with sorted names and no blanks."
    )


class ReceiptKey(Response):
    """A key by which receipts are checked."""

    key: str = Field(description="Begin of the SHA-256 of the public key, as receipts name it.")
    public_key: str = Field(description="Ed25519, base64.")


class ReceiptKeys(Response):
    """Keys by which receipts are or were signed, the one in use first."""

    items: list[ReceiptKey]


class PrintRequest(Request):
    """Why a paper is printed in full."""

    purpose: Purpose
