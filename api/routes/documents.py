"""Papers of an application: what there is, a copy to look at, and the paper itself for the applicant."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from access.callers import Caller
from access.policy import May
from api.body import ContractRoute
from api.conditional import json, tagged
from api.deps import Held, Session, Visible, address_of, may
from api.openapi import TAGGED, carries, refuses
from applications.numbers import query_code
from documents import service
from documents.printing import print_paper, tag_of, worded
from kit.signing import key_id, written
from looking.service import Look, record
from notices import service as notices
from schemas.documents import DocumentList, PaperView, PrintRequest, ReceiptKeys
from sheets.press import Press

router = APIRouter(prefix="/v1/applications", tags=["documents"], route_class=ContractRoute)
receipts = APIRouter(prefix="/v1", tags=["documents"], route_class=ContractRoute)
Reader = Annotated[Caller, may(May.APPLICATION_READ)]
Named = Annotated[
    str,
    Path(
        pattern=r"^[A-Z]{3}(-[1-9][0-9]{0,2})?$",
        description="Code of a paper; of several of a kind the latest, or one as `SUP-1`.",
    ),
]
PDF = "application/pdf"


async def get_press(request: Request) -> Press:
    """Give the process's press for papers: it keeps none, since they are personal."""
    state = request.app.state
    if not hasattr(state, "paper_press"):
        state.paper_press = Press(kept=0)
    press: Press = state.paper_press
    return press


Pressing = Annotated[Press, Depends(get_press)]
SHOWN: dict[str, Any] = {
    "content": {PDF: {"schema": {"type": "string"}}},
    "headers": carries("Cache-Control", "Content-Disposition"),
}
LOOKED: dict[int | str, Any] = {
    200: SHOWN | {"headers": SHOWN["headers"] | carries("ETag")}, 304: TAGGED[304],
}  # fmt: skip


class Printed(Response):
    """A print that is made when it is sent: the transaction has ended by then, however long others wait."""

    def __init__(self, press: Press, words: Mapping[str, Any], headers: dict[str, str]) -> None:
        super().__init__(None, 200, headers, media_type=PDF)
        self._press, self._words, self._given = press, words, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make it, and send it.

        Raises:
            SheetsBusy: too many others wait.
        """
        made = await self._press.get(tag_of(self._words), lambda: print_paper(self._words))
        await Response(made, 200, self._given, media_type=PDF)(scope, receive, send)


@router.get("/{number}/documents", response_model=DocumentList)
async def list_application_documents(
    row: Visible, caller: Reader, held: Held, session: Session
) -> Response:
    """List the papers that were issued, oldest first."""
    found = await service.papers(session, held.desk, row)
    return json({"items": [service.listed(paper) for paper in found]})


@router.get("/{number}/documents/{document}.json", response_model=PaperView)
async def read_document(
    row: Visible, document: Named, caller: Reader, held: Held, session: Session
) -> Response:
    """Give the words of a paper, masked, and its signed receipt: for slips of a terminal's own."""
    found = service.find(await service.papers(session, held.desk, row), document)
    receipt, words = service.receipt(found, held.receipts), service.words_of(found)
    return json({**service.listed(found), "receipt": receipt, "words": words})


@receipts.get("/receipt-keys", response_model=ReceiptKeys, responses=TAGGED)
async def list_receipt_keys(request: Request, held: Held) -> Response:
    """List the public keys by which receipts are checked, the one in use first: keep them."""
    signer = held.receipts
    older = [key for name, key in sorted(signer.trusted.items()) if name != signer.id]
    found = [{"key": key_id(k), "public_key": written(k)} for k in (signer.public, *older)]
    return tagged(request, orjson.dumps({"items": found}))


@router.get(
    "/{number}/documents/{document}.pdf", response_class=Response, responses=LOOKED | refuses(503)
)
async def look_at_document(
    request: Request, row: Visible, document: Named, caller: Reader, held: Held, session: Session,
    press: Pressing,
) -> Response:  # fmt: skip
    """Give a copy to look at: what is personal is masked, and it carries no query code."""
    found = service.find(await service.papers(session, held.desk, row), document)
    receipt = service.receipt(found, held.receipts)
    words = worded(found.content, receipt, held.settings.public_url, "")
    tag = tag_of(words)
    known = tagged(request, b"", tag)
    if known.status_code == 304:
        return known
    headers = {"ETag": tag, "Cache-Control": known.headers["cache-control"], **_named(found)}
    return Printed(press, words, headers)


@router.post(
    "/{number}/documents/{document}.pdf", response_class=Response,
    responses={200: SHOWN, **refuses(503)},
)  # fmt: skip
async def print_document(
    request: Request,
    row: Visible,
    document: Named,
    wanted: PrintRequest,
    caller: Annotated[Caller, may(May.DOCUMENT_PRINT)],
    held: Held,
    session: Session,
    press: Pressing,
) -> Response:
    """Print a paper for the applicant, in full; recorded before it is shown."""
    found = service.find(await service.papers(session, held.desk, row), document)
    look = Look(
        "document", wanted.purpose, address_of(request), row.number, row.subject_index, row.outlet,
        row.agency,
    )  # fmt: skip
    await record(session, held.keys, caller, look)
    told = found.row
    await notices.handed_over(session, caller, row, told.event, told.code, told.issued_at)
    code, receipt = query_code(held.keys, row.number), service.receipt(found, held.receipts)
    words = worded(found.content, receipt, held.settings.public_url, code)
    return Printed(press, words, {"Cache-Control": "no-store", **_named(found)})


def _named(paper: service.Paper) -> dict[str, str]:
    return {"Content-Disposition": f'inline; filename="{paper.row.number}.pdf"'}
