"""Logs say what happened, never whom it concerned."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from kit.logs import where

ROOT = Path(__file__).parent.parent
SECRET = "339900189901010018"
BEFORE = """
import asyncio, gc, logging
import structlog
from kit import logs

SECRET = "339900189901010018"
library = logging.getLogger("library.part")
logs.configure("LEVEL")
"""


def said(script: str, level: str = "info") -> list[dict[str, Any]]:
    """Run a script in a process of its own, and give the lines that it logged."""
    whole = BEFORE.replace("LEVEL", level) + dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", whole], cwd=ROOT, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    assert SECRET not in done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def told(lines: list[dict[str, Any]]) -> str:
    return json.dumps(lines, ensure_ascii=False)


def test_a_line_is_one_json_object_with_time_and_level() -> None:
    (line,) = said('structlog.get_logger().info("submitted", number="SYT33")')
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "submitted", "level": "info", "number": "SYT33"}


def test_what_a_request_binds_is_in_every_line() -> None:
    lines = said("""
        structlog.contextvars.bind_contextvars(request_id="r1")
        structlog.get_logger().info("one")
        library.warning("two")
    """)
    assert [line["request_id"] for line in lines] == ["r1", "r1"]


def test_arguments_of_a_librarys_record_stay_out() -> None:
    lines = said("""
        library.warning("refused %s", SECRET)
        library.error("refused %(who)s", {"who": SECRET})
        library.critical("refused", extra={"who": SECRET})
    """)
    assert [line["place"].split(":")[0] for line in lines] == ["<string>"] * 3
    assert [line["level"] for line in lines] == ["warning", "error", "critical"]
    assert {line["logger"] for line in lines} == {"library.part"}
    assert SECRET not in told(lines)


def test_the_text_of_an_exception_stays_out() -> None:
    lines = said("""
        try:
            try:
                raise ValueError(SECRET)
            except ValueError as error:
                raise LookupError(f"no {SECRET}") from error
        except LookupError:
            library.exception("failed")
            library.error("failed", exc_info=True, stack_info=True)
    """)
    assert [line["error"] for line in lines] == ["LookupError", "LookupError"]
    assert SECRET not in told(lines)


def test_what_libraries_say_below_a_warning_is_dropped() -> None:
    assert said('library.info("chat %s", SECRET); library.debug(SECRET)', "debug") == []


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_is_the_least_that_is_heard(level: str, heard: list[str]) -> None:
    lines = said(
        """
        log = structlog.get_logger()
        log.debug("a"), log.info("a"), log.warning("a"), log.error("a")
        """,
        level,
    )
    assert [line["level"] for line in lines] == heard


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("library.error(ValueError(SECRET))", id="an exception as the message"),
        pytest.param('library.error(f"refused {SECRET}")', id="a message put together before"),
        pytest.param(
            """
            async def fail():
                raise ValueError(SECRET)

            async def main():
                task = asyncio.create_task(fail())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                del task
                gc.collect()

            asyncio.run(main())
            """,
            id="asyncio's own report of a task that failed",
        ),
    ],
)
def test_values_in_a_librarys_message_stay_out(script: str) -> None:
    assert SECRET not in told(said(script))


@pytest.mark.parametrize(
    "script",
    [
        pytest.param('library.log(35, "notice")', id="a level of the library's own"),
        pytest.param('library.warning("\\ud800")', id="half a surrogate pair"),
        pytest.param('structlog.get_logger().info("a", path="\\ud800")', id="half a pair of ours"),
        pytest.param('structlog.get_logger().info("a", n=2**70)', id="a large integer"),
    ],
)
def test_whatever_is_logged_the_caller_goes_on(script: str) -> None:
    assert len(said(script)) == 1


def deeper(count: int) -> None:
    if count == 0:
        raise ValueError(SECRET)
    deeper(count - 1)


def test_where_an_error_arose_is_told_without_its_text() -> None:
    with pytest.raises(ValueError, match=SECRET) as caught:
        deeper(1)
    found = where(caught.value)
    assert [frame.split(" ")[1] for frame in found] == [
        "test_where_an_error_arose_is_told_without_its_text",
        "deeper",
        "deeper",
    ]
    assert all(frame.startswith("test_logs.py:") for frame in found)
    assert SECRET not in told([{"where": found}])


def test_of_a_deep_error_the_last_places_are_told() -> None:
    with pytest.raises(ValueError, match=SECRET) as caught:
        deeper(50)
    assert len(where(caught.value)) == 8


def test_a_script_that_says_it_is_heard() -> None:
    """Or the tests above would prove nothing."""
    assert SECRET in told(said("structlog.get_logger().info(SECRET)"))
