"""Questions derived from guides: every guide can be filled in, and what is wrong is asked again at once."""

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console

from api.state import State
from cli.asking import Asker, Left, ask_application, ask_field, ask_form, needed
from cli.load import DATA
from client.guides import LocalGuide, check, compiled
from kit.clock import now, today
from tests.make import PENSION


class Keyboard(Asker):
    """Types what a test says, then Enter for ever."""

    def __init__(self, *said: str) -> None:
        self.screen = io.StringIO()
        super().__init__(Console(file=self.screen, width=100, highlight=False), samples=True)
        self._said: Iterator[str] = iter(said)
        self.asked = 0
        self.console.input = self._type  # type: ignore[method-assign,assignment]

    def _type(self, prompt: str) -> str:
        self.console.print(prompt)
        self.asked += 1
        assert self.asked < 200, self.screen.getvalue()[-300:]
        return next(self._said, "")


def held(state: State, matter: str) -> LocalGuide:
    guide = state.desk.catalogue.resolve(matter, "330106", today())
    return compiled(guide.etag, guide.body)


@pytest.mark.parametrize(
    "matter", sorted({path.name[:12] for path in (DATA / "matters").glob("*.yaml")})
)
async def test_every_guide_can_be_filled_in(state: State, matter: str) -> None:
    """With the samples, by Enter alone; the check at the terminal and the service's have nothing against it."""
    guide = held(state, matter)
    keyboard = Keyboard()
    answers = ask_application(keyboard, guide)
    local = [{"code": code, "file": f"local:{code}"} for code in answers.scans]
    body = {**answers.body, "materials": [*answers.body["materials"], *local]}
    assert check(body, guide, now() + timedelta(seconds=1)) == []
    assert guide.guide.form_schema["title"] in keyboard.screen.getvalue()


async def test_a_condition_asks_for_another_field(state: State) -> None:
    """Sent by post, an address is needed; the labels of choices are shown, not their codes."""
    guide = held(state, PENSION)
    form = guide.guide.form_schema
    assert "contact_address" not in needed(form, {"delivery_way": "counter"}, {})
    assert "contact_address" in needed(form, {"delivery_way": "post"}, {})
    keyboard = Keyboard("", "", "", "是", "邮寄", "短", "杭州市西湖区测试路3号", "3")
    filled = ask_form(keyboard, guide)
    assert filled["delivery_way"] == "post"
    assert filled["contact_address"] == "杭州市西湖区测试路3号"
    assert filled["other_pension"] == "not_sure"
    assert "太短" in keyboard.screen.getvalue()
    assert "不清楚，请经办机构核对" in keyboard.screen.getvalue()


@pytest.mark.parametrize(
    ("field", "said", "value"),
    [
        ({"type": "integer", "minimum": 3}, ["x", "2", "7"], 7),
        ({"type": "number"}, ["1.5"], 1.5),
        ({"type": "boolean"}, ["maybe", "否"], False),
        ({"type": "string", "pattern": "^[0-9]{2}$"}, ["123", "12"], "12"),
        ({"type": "string", "format": "date"}, ["2026-13-01", "2026-01-13"], "2026-01-13"),
        ({"type": "array", "items": {"type": "integer"}}, ["1、2"], [1, 2]),
        ({"enum": [1, 2], "x-labels": {"1": "一"}}, ["9", "一"], 1),
        ({"const": "x"}, [], "x"),
        ({"$ref": "#/$defs/day"}, ["31"], 31),
        ({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}, ["", "b"], {"a": "b"}),
    ],
)  # fmt: skip
def test_kinds_of_fields(field: dict[str, Any], said: list[str], value: Any) -> None:
    defs = {"day": {"type": "integer", "maximum": 31}}
    assert ask_field(Keyboard(*said), field, defs, None, "field") == value


def test_one_may_go_back() -> None:
    with pytest.raises(Left):
        Keyboard(":q").text("名称")
