"""The life of an application: the whole table, who may take which edge, and its picture."""

import itertools
from collections import Counter
from pathlib import Path

from access.policy import GRANTS, May
from applications import lifecycle
from applications.lifecycle import ENDED, MOVES, START, Move, System, Timer, Turn
from schemas.applications import Action, State

PICTURE = Path(__file__).parent.parent / "docs" / "application-life.md"

SHORT = {
    "RE": State.RECEIVED,
    "CO": State.CORRECTION,
    "AC": State.ACCEPTED,
    "IR": State.IN_REVIEW,
    "SR": State.IN_SECOND_REVIEW,
    "AP": State.IN_APPROVAL,
    "SU": State.SUSPENDED,
    "CM": State.COMPLETED,
    "DE": State.DELIVERED,
    "AR": State.ARCHIVED,
    "RF": State.REFUSED,
    "RT": State.RETURNED,
    "WI": State.WITHDRAWN,
    "VO": State.VOIDED,
}
NAMES = {state: short for short, state in SHORT.items()}

TABLE = """
                   RE   CO   AC   IR   SR   AP   SU   CM   DE   AR   RF   RT   WI   VO
accept             AC   -    -    -    -    -    -    -    -    -    -    -    -    -
accept_tolerant    AC   -    -    -    -    -    -    -    -    -    -    -    -    -
accept_commitment  AC   -    -    -    -    -    -    -    -    -    -    -    -    -
ask_correction     CO   -    -    -    -    -    -    -    -    -    -    -    -    -
supply             -    RE   AC   IR   SR   AP   SU   -    -    -    -    -    -    -
propose_refusal    RE   -    -    -    -    -    -    -    -    -    -    -    -    -
refuse             RF   -    -    -    -    -    -    -    -    -    -    -    -    -
take               -    -    IR   -    -    -    -    -    -    -    -    -    -    -
propose_suspension -    -    -    IR   -    -    -    -    -    -    -    -    -    -
suspend            -    -    -    SU   -    -    -    -    -    -    -    -    -    -
resume             -    -    -    -    -    -    IR   -    -    -    -    -    -    -
pass               -    -    -    SR23 AP3  -    -    -    -    -    -    -    -    -
send_back          -    -    -    AC>  IR   IR   -    -    -    -    -    -    -    -
grant              -    -    -    AC1+|CM1. AC2+|CM2. AC+|CM. -    -    -    -    -    -    -    -
deny               -    -    -    CM1  CM2  CM   -    -    -    -    -    -    -    -
extend             -    -    AC   IR   SR   AP   -    -    -    -    -    -    -    -
transfer           RE   -    AC   AC   -    -    -    -    -    -    -    -    -    -
withdraw           WI   WI   WI   WI   WI   WI   WI   -    -    -    -    -    -    -
void               VO   -    VO^  -    -    -    -    -    -    -    -    -    -    -
deliver            -    -    -    -    -    -    -    DE   -    -    -    -    -    -
deem_accepted      AC   -    -    -    -    -    -    -    -    -    -    -    -    -
return_unsupplied  -    RT   -    -    -    -    -    -    -    -    -    -    -    -
archive            -    -    -    -    -    -    -    -    AR   -    -    -    -    -
complete           -    -    CM.  -    -    -    -    -    -    -    -    -    -    -
"""
"""Where each action (the last four: by itself, or by the agency's core system) leads from each state.
Digits are the risk classes for which the edge is there; none: all. `^`: in the first step only; `+`: while
steps follow; `>`: to the step before; `.`: in the last step."""

HANDS = """
accept              application:accept            ACP
accept_tolerant     application:accept            ACP TOL
accept_commitment   application:accept            ACP COM
ask_correction      application:accept            SGZ
supply              application:supply            SUP
propose_refusal     application:propose_refusal
refuse              application:refuse            NGA
take                application:review
propose_suspension  application:review
suspend             application:approve           SPE
resume              application:review
pass                application:review
pass                application:second_review
send_back           application:review
send_back           application:second_review
send_back           application:approve
grant               application:review
grant               application:review            STL
grant               application:second_review
grant               application:second_review     STL
grant               application:approve
grant               application:approve           STL
deny                application:review            NST
deny                application:second_review     NST
deny                application:approve           NST
extend              application:approve           EXT
transfer            application:review
transfer            application:refuse
withdraw            application:withdraw
void                application:void
deliver             application:deliver           RCH
deem_accepted       -                             ACP
return_unsupplied   -
archive             -
complete            -                             STL
"""
"""The permission that each edge asks for, and the papers that it makes (domain 9A.1)."""


def cell(state: State, by: Action | Timer | System) -> str:
    """What the code says of one state and action."""
    found = [move for move in MOVES if move.source == state and move.by == by]
    return "|".join(NAMES[move.target] + classes(move) for move in found) or "-"


def classes(move: Move) -> str:
    risk = "" if move.risk_classes == (1, 2, 3) else "".join(map(str, move.risk_classes))
    return risk + TURNS[move.turns]


TURNS = {
    tuple(Turn): "", (Turn.ONLY, Turn.FIRST): "^", (Turn.FIRST, Turn.MIDDLE): "+",
    (Turn.MIDDLE, Turn.LAST): ">", (Turn.ONLY, Turn.LAST): ".",
}  # fmt: skip
"""Where a step must stand in its procedure, as the table writes it."""


def table() -> str:
    rows = [("", *NAMES.values())]
    rows += [(by, *(cell(state, by) for state in NAMES)) for by in (*Action, *Timer, *System)]
    lines = [f"{by:19}" + "".join(f"{value:4} " for value in values) for by, *values in rows]
    return "\n".join(line.rstrip() for line in lines)


def test_the_table_is_as_it_was_agreed() -> None:
    assert set(NAMES) == set(State)
    assert table() == TABLE.strip("\n")


def test_each_edge_asks_for_its_permission_and_makes_its_papers() -> None:
    order: list[Action | Timer | System] = [*Action, *Timer, *System]
    rank = {May.APPLICATION_REVIEW: 0, May.APPLICATION_SECOND_REVIEW: 1}
    edges = {(m.by, m.may, m.documents) for m in MOVES}
    lines = [
        f"{by:20}{may or '-':30}{' '.join(papers)}".rstrip()
        for by, may, papers in sorted(
            edges, key=lambda e: (order.index(e[0]), 2 if e[1] is None else rank.get(e[1], 2), e[2])
        )
    ]
    assert "\n".join(lines) == HANDS.strip()


def test_an_action_leads_to_one_place_for_each_risk_class() -> None:
    edges = Counter(
        (m.source, m.by, risk, turn) for m in MOVES for risk in m.risk_classes for turn in m.turns
    )
    assert set(edges.values()) == {1}


def test_every_state_is_reached() -> None:
    reached = set(START)
    while more := {m.target for m in MOVES if m.source in reached} - reached:
        reached |= more
    assert reached == set(State)


def test_every_risk_class_can_be_granted_and_only_by_its_last_person() -> None:
    last = {
        1: (State.IN_REVIEW, May.APPLICATION_REVIEW),
        2: (State.IN_SECOND_REVIEW, May.APPLICATION_SECOND_REVIEW),
        3: (State.IN_APPROVAL, May.APPLICATION_APPROVE),
    }
    for risk, expected in last.items():
        reached = {State.ACCEPTED}
        edges = [m for m in MOVES if risk in m.risk_classes]
        while more := {m.target for m in edges if m.source in reached} - reached:
            reached |= more
        for decision in (Action.GRANT, Action.DENY):
            found = {(m.source, m.may) for m in edges if m.by is decision and m.source in reached}
            assert found == {expected}


def test_steps_follow_steps_until_the_last_and_go_back_to_the_one_before() -> None:
    for step, steps, stands in ((1, 1, "only"), (1, 3, "first"), (2, 3, "middle"), (3, 3, "last")):
        assert lifecycle.turn(step, steps) == stands
    for turn in Turn:
        for risk, state in (
            (1, State.IN_REVIEW),
            (2, State.IN_SECOND_REVIEW),
            (3, State.IN_APPROVAL),
        ):
            granted = lifecycle.find(state, Action.GRANT, risk, turn)
            assert granted is not None
            ends = turn in (Turn.ONLY, Turn.LAST)
            assert granted.target == (State.COMPLETED if ends else State.ACCEPTED)
        back = lifecycle.find(State.IN_REVIEW, Action.SEND_BACK, 1, turn)
        assert (back is not None) == (turn in (Turn.MIDDLE, Turn.LAST))


def test_what_has_ended_stays_ended() -> None:
    assert {m.source for m in MOVES if m.source in ENDED} == {State.COMPLETED, State.DELIVERED}
    assert {m.target for m in MOVES if m.source in ENDED} == {State.DELIVERED, State.ARCHIVED}


def test_what_is_open_can_always_be_withdrawn() -> None:
    open_states = set(State) - ENDED
    assert {m.source for m in MOVES if m.by is Action.WITHDRAW} == open_states


def test_nobody_waits_for_ever_for_the_applicant_or_the_outlet() -> None:
    assert {(m.by, m.source, m.target, m.may) for m in MOVES if isinstance(m.by, Timer)} == {
        (Timer.DEEM_ACCEPTED, State.RECEIVED, State.ACCEPTED, None),
        (Timer.RETURN_UNSUPPLIED, State.CORRECTION, State.RETURNED, None),
        (Timer.ARCHIVE, State.DELIVERED, State.ARCHIVED, None),
    }


def test_every_edge_of_a_person_is_granted_to_some_role() -> None:
    granted = frozenset[May]().union(*GRANTS.values())
    assert {m.may for m in MOVES if isinstance(m.by, Action)} <= granted


def test_find_reads_the_table() -> None:
    for state in State:
        for action in Action:
            for risk, turn in itertools.product((1, 2, 3), Turn):
                found = lifecycle.find(state, action, risk, turn)
                there = [
                    m for m in MOVES
                    if (m.source, m.by) == (state, action) and risk in m.risk_classes
                    and turn in m.turns
                ]  # fmt: skip
                assert there == ([] if found is None else [found])


def test_open_moves_are_those_of_a_person() -> None:
    for state in State:
        for risk, turn in itertools.product((1, 2, 3), Turn):
            moves = lifecycle.open_moves(state, risk, turn)
            expected = {a for a in Action if lifecycle.find(state, a, risk, turn) is not None}
            assert {m.by for m in moves} == expected
            assert len(moves) == len(expected)


def test_permissions_of_an_action_are_those_of_its_edges() -> None:
    pairs = {tuple(line.split()[:2]) for line in HANDS.strip().splitlines()}
    for action in Action:
        assert lifecycle.PERMISSIONS[action] == {may for by, may in pairs if by == action}


def test_the_picture_is_of_this_table() -> None:
    heading, _, rest = PICTURE.read_text(encoding="utf-8").partition("\n")
    assert heading == "# The life of an application"
    assert rest.strip() == f"```mermaid\n{lifecycle.mermaid()}\n```"


def test_the_picture_shows_every_edge() -> None:
    drawn = lifecycle.mermaid().splitlines()
    assert drawn[0] == "stateDiagram-v2"
    assert len(drawn) == 1 + len(START) + len(MOVES) == len(set(drawn))
