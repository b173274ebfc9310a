"""Files, on the wire."""

from datetime import datetime

from pydantic import Field

from schemas.base import Request, Response


class FileAsked(Request):
    """As part of what a scan is read."""

    application: str | None = Field(
        None, max_length=60, description="The application that it belongs to."
    )


class FileView(Response):
    """A stored file."""

    file: str
    sha256: str
    size: int
    media_type: str


class UploadView(Response):
    """An upload that comes in parts; once all of it came, the file that it has become."""

    upload: str
    offset: int = Field(description="Bytes that are kept: where to go on.")
    length: int
    expires_at: datetime = Field(description="When it is forgotten, unless another part comes.")
    file: str | None
    sha256: str | None
    size: int | None
    media_type: str | None
