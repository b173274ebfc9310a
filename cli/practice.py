"""The agency's side for who tries a terminal out: the demonstration's people decide an application."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import httpx

from cli.screens import STATES
from kit.clock import today


class Post(NamedTuple):
    """Who works on an application in a state, and what he may do to bring it on, the best first."""

    role: str
    name: str
    actions: tuple[str, ...]


POSTS = {
    "received": Post("acceptance_officer", "受理人员", ("accept",)),
    "accepted": Post("reviewer", "审核人员", ()),
    "in_review": Post("reviewer", "审核人员", ("grant", "pass")),
    "in_second_review": Post("second_reviewer", "复核人员", ("grant", "pass")),
    "in_approval": Post("approver", "审批人员", ("grant",)),
}
WORDS = {"accept": "受理", "grant": "准予", "pass": "通过，转下一环节"}
FIELDS: dict[str, dict[str, Any]] = {
    "accept": {}, "pass": {"opinion": "符合条件"},
    "grant": {"opinion": "符合条件", "result": {"number": "样例-1"}},
}  # fmt: skip
MOST = 8
GIVEN = timedelta(days=15)
"""Until when what is asked for may be supplied."""


def decide(base_url: str, tokens: dict[str, str], number: str) -> Iterator[str]:
    """Bring an application to its decision, step by step; says what was done."""
    with httpx.Client(base_url=base_url, timeout=20) as line:
        for _ in range(MOST):
            path = f"/v1/applications/{number}"
            state = _asked(line, tokens["reviewer"], "GET", path).get("state", "")
            post = POSTS.get(state)
            if post is None:
                yield f"现为：{STATES.get(state, state)}"
                return
            who = tokens[post.role]
            if state != "received":
                _asked(line, who, "POST", "/v1/tasks/claim", json={"limit": 50})
            one = _asked(line, who, "GET", path)
            action = next((a for a in post.actions if a in one.get("actions", ())), None)
            if action is None:
                yield f"{post.name}：已签收"
                continue
            _asked(
                line, who, "POST", f"{path}/actions", json={"action": action, **FIELDS[action]},
                headers={"If-Match": f'"{one["version"]}"'},
            )  # fmt: skip
            yield f"{post.name}：{WORDS[action]}"


def ask_correction(base_url: str, tokens: dict[str, str], number: str) -> Iterator[str]:
    """Let the agency tell, once and completely, what is to be put right: the first material, once more."""
    with httpx.Client(base_url=base_url, timeout=20) as line:
        path, who = f"/v1/applications/{number}", tokens["acceptance_officer"]
        one = _asked(line, who, "GET", path)
        lacks = next((item["code"] for item in one["materials"]), None)
        code = {"code": "BZ01", "material": lacks} if lacks else {"code": "BZ03"}
        body = {
            "action": "ask_correction", "reasons": [{**code, "text": "内容看不清，请重新提交（样例）"}],
            "by": str(today() + GIVEN),
        }  # fmt: skip
        seen = {"If-Match": f'"{one["version"]}"'}
        found = _asked(line, who, "POST", f"{path}/actions", json=body, headers=seen)
        yield f"受理人员：一次告知补正；现为：{STATES.get(found.get('state', ''), '未告知')}"


def _asked(line: httpx.Client, token: str, method: str, path: str, **more: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
    found: dict[str, Any] = line.request(method, path, headers=headers, **more).json()
    return found
