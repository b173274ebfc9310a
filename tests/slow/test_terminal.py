"""`syt terminal` as a newcomer uses it, against a demonstration that runs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from tests.make import PENSION
from tests.slow.service import Service

pytestmark = pytest.mark.slow


def typed(
    demo: Service, *said: str, words: tuple[str, ...] = (), home: Path | None = None
) -> Result:
    env = {"SYT_HOME": str(home or demo.home), "COLUMNS": "100"}
    done = CliRunner().invoke(app, ["terminal", *words], input="\n".join([*said, ""]), env=env)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done


ENTER = ("",) * 15
"""The samples: the applicant, the form, the materials, acceptance and consent."""


def test_from_a_search_to_delivery(demo: Service) -> None:
    done = typed(demo, "1", "养老待遇申领", "1", "是", *ENTER, "quit")
    assert done.exit_code == 0, done.output
    for words in (
        "城乡居民养老保险待遇申领",
        "申请材料",
        "必交",
        "读卡",
        "上传扫描件",
        "收件回执",
        "已受理",
    ):
        assert words in done.output, done.output
    done = typed(demo, "3", "1", "（演示）请经办机构办结", "送达", "测试甲", "返回", "quit")
    for words in ("复核人员：准予", "已办结", "已送达", "测**"):
        assert words in done.output, done.output
    assert "测试甲 " not in done.output.partition("测**")[2].partition("送达")[0]


def test_without_a_line_and_with_it_again(demo: Service) -> None:
    assert typed(demo, words=("sync",)).exit_code == 0
    done = typed(demo, "1", PENSION, "1", "是", *ENTER, "2", "", "quit", words=("--offline",))
    assert "收件回执" in done.output, done.output
    assert "待提交" in done.output
    done = typed(demo, words=("sync",))
    assert "提交 1 件" in done.output, done.output
    assert (
        "已提交" in typed(demo, words=("queue",)).output
        or "已受理" in typed(demo, words=("queue",)).output
    )


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("guide", PENSION), "样例指南，不得作为办事依据"), (("search", "养老"), "委托受理"),
        (("status",), "还可离线"), (("queue",), "办件编号"), (("--help",), "Usage"),
    ],
)  # fmt: skip
def test_words(demo: Service, words: tuple[str, ...], shown: str) -> None:
    typed(demo, words=("sync",))
    done = typed(demo, words=words)
    assert (done.exit_code, shown in done.output) == (0, True), done.output


@pytest.mark.parametrize(
    ("words", "shown"), [(("search", "养老"), PENSION), (("guide", PENSION), PENSION)]
)
def test_the_first_word_of_a_terminal_brings_its_copy(
    demo: Service, tmp_path: Path, words: tuple[str, ...], shown: str
) -> None:
    (tmp_path / "demo.json").write_text((demo.home / "demo.json").read_text())
    done = typed(demo, words=words, home=tmp_path)
    assert (done.exit_code, shown in done.output) == (0, True), done.output


def test_a_terminal_that_was_never_in_contact_says_so(demo: Service, tmp_path: Path) -> None:
    card = json.loads((demo.home / "demo.json").read_text())
    (tmp_path / "demo.json").write_text(json.dumps(card | {"base_url": "http://127.0.0.1:9"}))
    done = typed(demo, words=("guide", PENSION), home=tmp_path)
    assert (done.exit_code, "先联网同步" in done.output) == (1, True), done.output


def test_what_is_wrong_is_said_in_a_line(demo: Service) -> None:
    done = typed(demo, words=("show", "SYT330106202611230000120000106"))
    assert (done.exit_code, "没有该办件" in done.output) == (1, True), done.output
    done = typed(demo, "1", "城乡", ":q", "9", "quit")
    assert "已返回" in done.output
    assert "请选择列出的序号" in done.output


NOT_ACCEPTED = ("",) * 13 + ("否", "")
"""The samples, handed in for the agency to accept."""


def test_what_an_agency_asks_for_is_supplied(demo: Service) -> None:
    done = typed(demo, "1", "养老待遇申领", "1", "是", *NOT_ACCEPTED, "quit")
    assert "已收件" in done.output, done.output
    done = typed(
        demo, "3", "1", "（演示）请经办机构一次告知补正", "补交材料", "上传扫描件", "", "否", "返回", "quit"
    )  # fmt: skip
    for words in ("一次性告知补正", "须补正的内容", "内容看不清", "已上传", "补正提交"):
        assert words in done.output, done.output
    assert "待补正" not in done.output.rpartition("补正提交")[2]
