"""What a session shows, for people and for machines."""

from collections.abc import Mapping, Sequence
from typing import Any

from rehearsal.journal import Journal
from rehearsal.rules import LOGS, RULES, Found, Rule, Verdict, in_logs, judge

MARKS = {Verdict.KEPT: "✓ 遵守", Verdict.BROKEN: "✗ 违反", Verdict.UNSEEN: "－ 未见"}
SHOWN = 5
"""Places that are named of a rule that was broken in more."""

STATUS = {Verdict.KEPT: 0, Verdict.BROKEN: 1, Verdict.UNSEEN: 3}
"""Exit codes: all kept; something broken; nothing broken, and not all came about."""


def judged(journal: Journal, logs: Sequence[str] = ()) -> list[Found]:
    """Hold a session against all rules."""
    rules = [*RULES, *([Rule(*LOGS, in_logs(logs))] if logs else [])]
    return [judge(rule, journal) for rule in rules]


def status(found: Sequence[Found]) -> int:
    """Give the exit code."""
    verdicts = {one.verdict for one in found}
    worst = next((v for v in (Verdict.BROKEN, Verdict.UNSEEN) if v in verdicts), Verdict.KEPT)
    return STATUS[worst]


def as_json(base_url: str, journal: Journal, found: Sequence[Found]) -> Mapping[str, Any]:
    """Write the report for machines. No body of a call stands in it."""
    return {
        "base_url": base_url, "status": status(found),
        "seconds": round(journal.clock() - journal.began, 1),
        "rules": [
            {
                "rule": one.rule.code, "title": one.rule.title, "verdict": one.verdict,
                "advice": one.rule.advice,
                "found": [seen._asdict() for seen in one.wrong],
            }
            for one in found
        ],
        "calls": [
            {"call": e.call, "method": e.method, "path": e.path, "status": e.status or None, "fault": e.fault}
            for e in journal
        ],
    }  # fmt: skip


def as_text(journal: Journal, found: Sequence[Found]) -> str:
    """Write the report for people."""
    counted = {verdict: sum(one.verdict is verdict for one in found) for verdict in Verdict}
    head = f"共 {len(journal.exchanges)} 次调用；" + "，".join(
        f"{MARKS[verdict][2:]} {count} 条" for verdict, count in counted.items()
    )
    return "\n".join([head, *(line for one in found for line in _lines(one))])


def _lines(one: Found) -> list[str]:
    places = [
        f"    {f'第 {seen.call} 次调用：' if seen.call else ''}{seen.wrong}"
        for seen in one.wrong[:SHOWN]
    ]
    more = len(one.wrong) - SHOWN
    rest = [f"    另有 {more} 处"] if more > 0 else []
    advice = [f"    → {one.rule.advice}"] if one.verdict is not Verdict.KEPT else []
    return [f"{MARKS[one.verdict]}  {one.rule.title} ({one.rule.code})", *places, *rest, *advice]
