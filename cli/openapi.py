"""`python -m cli.openapi`: the contract as a document, as a running service gives it at `/openapi.json`."""

import json
import tempfile
from pathlib import Path
from typing import Any

from api.app import create_app
from kit.settings import Settings


def document() -> Any:
    """Make it; no service runs, and nothing of a home is read or left."""
    with tempfile.TemporaryDirectory() as home:
        return create_app(
            Settings(home=Path(home), database_url="postgresql+asyncpg:///none")
        ).openapi()


def written(document: Any) -> str:
    """Write it so that a change is a line: sorted, and in the letters that people read."""
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(written(document()), end="")  # noqa: T201
