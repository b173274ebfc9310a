"""`python -m cli.rights`: who may do what, from the policy and the operations themselves."""

from collections.abc import Iterable, Iterator, Sequence

from access.chain import MOVES
from access.policy import APPLICANTS, DUTIES, GRANTS, SCOPES, May, Role
from api.app import operations

POSTS = {
    Role.TELLER: ("tel", "网点柜员"),
    Role.OUTLET_MANAGER: ("mgr", "网点负责人"),
    Role.BANK_ADMIN: ("bnk", "合作银行管理员"),
    Role.ACCEPTANCE_OFFICER: ("acc", "受理岗"),
    Role.REVIEWER: ("rev", "初审岗"),
    Role.SECOND_REVIEWER: ("sec", "复核岗"),
    Role.APPROVER: ("app", "审批岗"),
    Role.AGENCY_HEAD: ("hed", "经办机构负责人"),
    Role.AUDITOR: ("aud", "稽核岗"),
    Role.CONTROL_OFFICER: ("ctl", "内控岗"),
    Role.OUTLET_ADMIN: ("out", "网点管理员"),
    Role.MATTER_ADMIN: ("mat", "事项管理员"),
    Role.RIGHTS_ADMIN: ("rgt", "权限管理员"),
}
"""Each role's column, and what the post is called."""

HEAD = """# Rights

Who may do what, and where. This page is made from the code (`python -m cli.rights`) and a test compares it
whole, so that a change of rights is a change of this page: read it before you agree. What a role may do holds
within its scope only; what lies outside is answered like what does not exist (404), or refused (403) where
it is public that it exists.

"""

RULES = """
## How a right is given

Four different persons, none of them the holder: apply, check, approve, grant. It holds for its period, and
for a year at a time: one that nobody confirms ends by itself. Counties hold no rights administrators: the
city's grants there. A person holds posts of one duty only.

"""


def page() -> str:
    """Write the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield HEAD + "## Posts\n"
    yield from _table(("column", "role", "post", "scope", "duty", "applied for by"), _posts())
    yield RULES + "```text"
    yield from _columns([["state", "action", "state after", "needs"], *_moves()])
    yield "```\n\n## Permissions\n\n```text"
    heads = [column for column, _ in POSTS.values()]
    yield from _columns([["permission", *heads], *([may, *_cells(may)] for may in May)])
    yield "```\n\n## Operations\n\nWhat takes no token is marked `all`.\n\n```text"
    yield from _columns([["operation", "permission", *heads], *_operations()])
    yield "```"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (heads, ["---"] * len(heads), *rows):
        yield f"| {' | '.join(row)} |"


def _columns(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _posts() -> Iterator[list[str]]:
    for role, (column, name) in POSTS.items():
        applicants = ", ".join(sorted(APPLICANTS.get(role, ()))) or "the outlet's list of tellers"
        yield [column, role, name, SCOPES[role], DUTIES[role], applicants]


def _moves() -> Iterator[list[str]]:
    for move in MOVES:
        yield [move.before, move.action, move.after, " or ".join(sorted(move.needs))]


def _cells(may: May | None) -> list[str]:
    if may is None:
        return ["all"] * len(POSTS)
    return ["x" if may in GRANTS[role] else "-" for role in POSTS]


def _operations() -> Iterator[list[str]]:
    for found in sorted(operations(), key=lambda o: (o.path, o.method)):
        yield [f"{found.method} {found.path}", found.permission or "-", *_cells(found.permission)]


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
