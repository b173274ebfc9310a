"""`python -m cli.problems`: the page of problems, from the registry that answers are made of."""

from importlib import import_module
from pathlib import Path

from api.problems import STATUS
from kit.errors import REGISTRY

ROOT = Path(__file__).parent.parent
HEAD = """# Problems

Every refusal is a problem document (RFC 9457) whose `code` is one of these. The same words stand at
`/problems/<code>` of a running service. This page is made from the code: `python -m cli.problems`.

| code | status | what happened | what to do |
| --- | --- | --- | --- |
"""


def page() -> str:
    """Write the page."""
    for found in sorted(ROOT.glob("*/errors.py")):
        import_module(f"{found.parent.name}.errors")
    import_module("api.app")
    rows = (
        f"| `{code}` | {STATUS[p.kind]} | {p.title.zh}<br>{p.title.en} | {p.advice.zh}<br>{p.advice.en} |\n"
        for code, p in sorted(REGISTRY.items())
    )
    return HEAD + "".join(rows)


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
