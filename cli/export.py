"""Writing what is in the database into files that people keep."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from kit.db import Sessions, transaction
from matters import register
from matters.files import write_guide
from matters.models import GuideVersion
from schemas.guides import Guide, GuideFile


class ExportFailed(Exception):
    """It can't be written; the message says why."""


async def export_matters(sessions: Sessions, to: Path) -> int:
    """Write every published guide into a folder; tell how many files were not there as they now are.

    The newest version of a matter is in `<code>.yaml`, earlier ones are in `<code>.<version>.yaml`. Files
    of other names are left alone. A period that ended because the next began is written as open: loading
    ends it again.

    Raises:
        ExportFailed: a stored version is no guide any more.
    """
    async with transaction(sessions) as session:
        rows = await register.published(session)
    newest = {row.base_code: row.version for row in rows}
    return _write_all(
        to,
        {
            row.base_code
            + ("" if newest[row.base_code] == row.version else f".{row.version}"): _text(row)
            for row in rows
        },
    )


def _write_all(to: Path, texts: Mapping[str, str]) -> int:
    to.mkdir(parents=True, exist_ok=True)
    return sum([_write(to / f"{name}.yaml", text) for name, text in texts.items()])


def _text(row: GuideVersion) -> str:
    try:
        guide = Guide.model_validate(row.content)
    except ValidationError as error:
        at = "/".join(map(str, error.errors()[0]["loc"]))
        raise ExportFailed(f"matter {row.base_code}, version {row.version}: {at}") from None
    ends = None if row.is_cut else row.effective_to
    return write_guide(
        GuideFile(
            version=row.version, effective_from=row.effective_from, effective_to=ends, guide=guide
        )
    )


def _write(path: Path, text: str) -> bool:
    """Write a file whole or not at all, unless it is as it should be."""
    data = text.encode()
    if path.exists() and path.read_bytes() == data:
        return False
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(data)
    beside.replace(path)
    return True
