"""Tables of stored files."""

import sqlalchemy as sa
from sqlmodel import Field

from kit.db import Dated


class StoredFile(Dated, table=True):
    """A scan that an outlet handed in; its bytes lie sealed in the store."""

    __tablename__ = "stored_file"
    __table_args__ = ({"info": {"grants": "SELECT, INSERT"}},)

    id: str = Field(primary_key=True, max_length=80)
    path: str = Field(max_length=80, description="Where it lies in the store.")
    outlet: str = Field(max_length=12, index=True)
    sha256: bytes
    size: int = Field(sa_type=sa.BigInteger)
    media_type: str = Field(max_length=40)
