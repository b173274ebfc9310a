"""The document names each refusal that an operation's code leads to, through whatever it is reached."""

import json
from pathlib import Path
from typing import Any

import pytest

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "docs/openapi.json").read_text()
)["paths"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        # Raised by another method of the memory that is asked.
        ("/v1/divisions/{code}", "division-not-found"), ("/v1/divisions/{code}", "division-abolished"),
        ("/v1/matters", "division-not-found"), ("/v1/outlets/coverage", "division-scheme"),
        ("/v1/matters/{matter}/guide", "matter-not-found"),
        ("/v1/matters/{matter}/materials", "matter-not-found"),
        # By what the endpoint depends on, and by a function of a table.
        ("/v1/matters", "token-invalid"), ("/v1/applications/{number}", "application-not-found"),
    ],
)  # fmt: skip
def test_a_refusal_is_named(path: str, code: str) -> None:
    assert code in DOCUMENT[path]["get"]["x-problems"]


def test_what_nothing_leads_to_is_not_named() -> None:
    assert "matter-not-found" not in DOCUMENT["/v1/divisions/{code}"]["get"]["x-problems"]
