"""`python -m cli.problems [client]`: the page of problems, from the registry that answers are made of.

With `client` the SDK's errors: a class for each.
"""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from api.openapi import STATUS
from client.errors import Refused
from kit.errors import REGISTRY, DomainError

ROOT = Path(__file__).parent.parent
HEAD = """# Problems

Every refusal is a problem document (RFC 9457) whose `code` is one of these. The same words stand at
`/problems/<code>` of a running service. This page is made from the code: `python -m cli.problems`.

| code | status | what happened | what to do |
| --- | --- | --- | --- |
"""


CLASSES = '''"""Every refusal of the service: a class for each code. Made by `make problems`, never by hand."""

from client import errors
'''


def known() -> list[tuple[str, type[DomainError]]]:
    """List every problem by its code."""
    for found in sorted(ROOT.glob("*/errors.py")):
        import_module(f"{found.parent.name}.errors")
    import_module("api.app")
    return sorted(REGISTRY.items())


def classes() -> str:
    """Write the SDK's errors."""
    return CLASSES + "".join(_classes())


def _classes() -> Iterator[str]:
    for code, problem in known():
        family = Refused.by_status[STATUS[problem.kind]].__name__
        yield (
            f"\n\nclass {problem.__name__}(errors.{family}):\n"
            f'    """{problem.title.en}."""\n\n    code = "{code}"\n'
        )


def page() -> str:
    """Write the page."""
    rows = (
        f"| `{code}` | {STATUS[p.kind]} | {p.title.zh}<br>{p.title.en} | {p.advice.zh}<br>{p.advice.en} |\n"
        for code, p in known()
    )
    return HEAD + "".join(rows)


if __name__ == "__main__":
    print(classes() if sys.argv[1:] == ["client"] else page(), end="")  # noqa: T201
