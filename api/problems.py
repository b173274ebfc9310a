"""Errors on the wire: RFC 9457, one shape, one table of status codes."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import asyncpg
import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from api import openapi
from api.figures import UNEXPECTED
from api.openapi import STATUS
from kit.db import AWAY, BUSY, DatabaseAway
from kit.errors import DomainError, Fault, Kind, Words
from kit.logs import where
from schemas.checks import CREDIT_WORDS

log = structlog.get_logger()

REQUEST_ID = "syt.request_id"
"""Where the edge puts the id of a request."""


class RequestInvalid(DomainError):
    """Fields that are missing, unknown or of the wrong type."""

    kind = Kind.INVALID
    code = "request-invalid"
    title = Words("请求格式不正确", "The request is not of the right shape")
    advice = Words(
        "errors 一次列出全部格式问题：缺少、多余或类型不对的字段。",
        "`errors` names every field that is missing, unknown or of the wrong type.",
    )


class JsonMalformed(DomainError):
    """The body is no JSON."""

    kind = Kind.MALFORMED
    code = "json-malformed"
    title = Words("请求体不是合法的 JSON", "The body is no valid JSON")
    advice = Words("按 UTF-8 编码发送合法 JSON。", "Send valid JSON in UTF-8.")


class JsonTooDeep(DomainError):
    """The body is nested deeper than anything we take."""

    kind = Kind.MALFORMED
    code = "json-too-deep"
    title = Words("JSON 嵌套过深", "The JSON is nested too deep")
    advice = Words("嵌套不得超过32层。", "Nest 32 levels at most.")


class TextForbidden(DomainError):
    """A string holds a NUL character."""

    kind = Kind.MALFORMED
    code = "text-forbidden"
    title = Words("文本含有不允许的字符", "A text holds a character that is not allowed")
    advice = Words("去掉空字符(U+0000)后重发。", "Remove U+0000 and send again.")


class JsonTooMany(DomainError):
    """The body has more members than anything we take."""

    kind = Kind.TOO_LARGE
    code = "json-too-many"
    title = Words("JSON 内容项过多", "The JSON has too many members")
    advice = Words("一次最多一万项。", "Send ten thousand members at most.")


class QueryTooBroad(DomainError):
    """A list that would take too long."""

    kind = Kind.INVALID
    code = "query-too-broad"
    title = Words("查询范围过大", "The query is too broad")
    advice = Words(
        "缩小范围：加上网点、机构、事项、状态或收件日期等条件。",
        "Narrow it: name an outlet, agency, matter, state or days of receipt.",
    )


class BodyTooLarge(DomainError):
    """The body is larger than the operation takes."""

    kind = Kind.TOO_LARGE
    code = "body-too-large"
    title = Words("请求体过大", "The body is too large")
    advice = Words("JSON 不超过 1 MiB，文件不超过 20 MiB。", "1 MiB of JSON, 20 MiB of a file.")


class NoSuchPage(DomainError):
    """No such path."""

    kind = Kind.NOT_FOUND
    code = "not-found"
    title = Words("没有该资源", "No such resource")
    advice = Words("核对地址；接口清单见 /docs。", "Check the path; /docs lists them.")


class NoSuchMethod(DomainError):
    """The path does not take this method."""

    kind = Kind.NO_SUCH_METHOD
    code = "method-not-allowed"
    title = Words("该地址不支持此方法", "The path does not take this method")
    advice = Words("接口清单见 /docs。", "/docs lists what there is.")


class Internal(DomainError):
    """A fault of ours."""

    kind = Kind.INTERNAL
    code = "internal"
    title = Words("系统内部错误", "A fault of the service")
    advice = Words("请把 X-Request-Id 告知运维。", "Tell the operator the X-Request-Id.")


class Leaving(DomainError):
    """The process has been told to stop."""

    kind = Kind.UNAVAILABLE
    code = "leaving"
    title = Words("本进程即将退出", "This process is about to stop")
    advice = Words("由其他进程处理，稍后重试。", "Another one answers; try again.")
    retry_after = 1


class PreconditionRequired(DomainError):
    """A change without `If-Match`."""

    kind = Kind.CONDITION_MISSING
    code = "if-match-required"
    title = Words("需要 If-Match", "If-Match is needed")
    advice = Words(
        '带上读取时的 version，例如 If-Match: "3"。', 'Send the version read, as If-Match: "3".'
    )


SHAPES = {
    "missing": Words("缺少必填字段", "is missing"),
    "extra_forbidden": Words("未知字段", "is not known"),
    "string_too_long": Words("太长", "is too long"),
    "string_too_short": Words("太短", "is too short"),
    "string_pattern_mismatch": Words("格式不对", "has the wrong form"),
    "literal_error": Words("不在可选值之内", "is not one of the values allowed"),
    "enum": Words("不在可选值之内", "is not one of the values allowed"),
    "union_tag_invalid": Words(
        "kind 须为 person 或 organization", "kind is person or organization"
    ),
    "greater_than_equal": Words("数值太小", "is too small"),
    "less_than_equal": Words("数值太大", "is too large"),
    "private_key": Words(
        "私钥不得离开终端：请作废此密钥，重新生成后只提交公钥",
        "the private part stays at the terminal: drop this key, make another, send its public part",
    ),
    "credit-code": CREDIT_WORDS,
    "periods-order": Words(
        "时段须按先后排列，每段结束晚于开始，且不相接不重叠",
        "periods are in order, each ends after it begins, and none touch",
    ),
    "day-twice": Words("同一天只能写一次", "a day is named once"),
    "key_parts": Words("kty、crv、y、alg 不相符", "kty, crv, y and alg do not go together"),
    "too_long": Words("项数太多", "has too many items"),
    "personal": Words(
        "不得填写证件号码或手机号码", "holds no number of a person's papers or telephone"
    ),
}
WRONG = Words("类型或格式不对", "has the wrong type or form")
FAULTS = 200
"""Faults that an answer names at most: who sends more sends something else."""

TAGS = frozenset({"person", "organization"})
"""Names that pydantic puts into a place where a body has none."""


def install(app: FastAPI) -> None:
    """Answer every expected failure with a problem document, and say so in the OpenAPI document."""
    openapi.install(app)
    app.add_exception_handler(DomainError, _expected)
    app.add_exception_handler(RequestValidationError, _misshapen)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DBAPIError, _database)
    for error in AWAY + BUSY:
        app.add_exception_handler(error, _database)


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)  # noqa: S101
    return problem(request, error)


async def _misshapen(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    fault = getattr(request.state, "body_fault", None)
    if fault is not None:
        return problem(request, fault)
    return problem(request, misshapen(error.errors()))


def misshapen(errors: Iterable[Any]) -> RequestInvalid:
    """Make one refusal of all faults of shape."""
    return RequestInvalid(faults=list(islice(_faults(errors), FAULTS)))


def _faults(errors: Iterable[Any]) -> Iterable[Fault]:
    for error in errors:
        where, *path = error["loc"] or ("body",)
        if where == "body" and "applicant" in path:
            path = [part for part in path if part not in TAGS]
        root = "" if where == "body" else f"/{where}"
        parts = (str(part)[:60].replace("~", "~0").replace("/", "~1") for part in path)
        at = root + "".join(f"/{part}" for part in parts)
        yield Fault(at, error["type"], SHAPES.get(error["type"], WRONG))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if isinstance(error.__cause__, DomainError):  # Raised while a form was read.
        return problem(request, error.__cause__)
    found = {404: NoSuchPage, 405: NoSuchMethod}.get(error.status_code)
    answer = problem(request, found() if found else JsonMalformed())
    answer.headers.update(error.headers or {})
    if error.status_code == 405:
        answer.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return answer


def _methods(request: Request) -> set[str]:
    """Find the methods that any route takes at this path; the framework names those of the first."""
    found: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path and compile_path(route.path)[0].match(request.url.path):
            found |= route.methods or set()
    return found


async def _database(request: Request, error: Exception) -> Response:
    """Tell a database that is away from a fault of ours: only the first is worth another try."""
    chain = list(_chain(error))
    if _is_list(request) and any(isinstance(e, asyncpg.QueryCanceledError) for e in chain):
        return problem(request, QueryTooBroad())
    if is_away(error):
        log.warning("database_away", error=type(chain[-1]).__name__)
        return problem(request, DatabaseAway())
    raise error


def is_away(error: Exception) -> bool:
    """Tell whether an error says that the database is away, or has no time."""
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost or any(isinstance(e, AWAY + BUSY) for e in _chain(error))


def told(error: Exception) -> DomainError:
    """Give the refusal for an error that is one answer of several; what nobody expected is logged."""
    if isinstance(error, DomainError):
        return error
    if is_away(error):
        log.warning("database_away", error=type(error).__name__)
        return DatabaseAway()
    log.error("unexpected", error=type(error).__name__, where=where(error))
    UNEXPECTED.inc()
    return Internal()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Walk from an error to what it stands for: the ORM's, the adapter's, the driver's."""
    seen = 0
    while error is not None and seen < 8:
        yield error
        error, seen = getattr(error, "orig", None) or error.__cause__, seen + 1


def _is_list(request: Request) -> bool:
    return request.method == "GET" and not request.path_params


async def answer_to(request: Request, error: Exception) -> Response:
    """Answer an error outside of the framework's reach as it would be answered within.

    Raises:
        Exception: the same, where nobody expected it.
    """
    if isinstance(error, DomainError):
        return problem(request, error)
    if isinstance(error, (DBAPIError, *AWAY, *BUSY)):
        return await _database(request, error)
    raise error


async def answered(request: Request, error: Exception) -> Response:
    """Answer an error as the framework would, for who has to add to the answer.

    Raises:
        Exception: the same, where nobody expected it.
    """
    for kind in type(error).__mro__[:-3]:  # Not `Exception`: that is the edge's.
        handler: Any = request.app.exception_handlers.get(kind)
        if handler is not None:
            answer: Response = await handler(request, error)
            return answer
    raise error


def language_of(request: Request) -> str:
    """Choose `zh` or `en` by what the client prefers."""
    wanted = request.headers.get("accept-language", "").lower()
    return "en" if wanted.startswith("en") else "zh"


def problem(request: Request, error: DomainError) -> Response:
    """Answer with the document."""
    status, body = documented(request, error)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(orjson.dumps(body), status, headers, media_type="application/problem+json")


def documented(request: Request, error: DomainError) -> tuple[int, dict[str, Any]]:
    """Make the document, and log its code. What the client sent never stands in it: it may be personal."""
    language = language_of(request)
    status = STATUS[error.kind]
    body: dict[str, Any] = {
        "type": f"/problems/{error.code}",
        "code": error.code,
        "title": error.title.within(language),
        "status": status,
        "detail": error.detail.within(language),
        "instance": f"urn:request:{request.scope.get(REQUEST_ID, '-')}",
        **{name: _said(value, language) for name, value in error.facts.items()},
    }
    if error.faults:
        body["errors"] = [
            {"at": f.at, "rule": f.rule, "message": f.message.within(language)}
            for f in error.faults
        ]
    route = getattr(request.scope.get("route"), "path", "-")
    log.info("refused", code=error.code, status=status, route=route, private=error.private)
    return status, body


def _said(value: Any, language: str) -> Any:
    if isinstance(value, Words):
        return value.within(language)
    if isinstance(value, list):
        return [_said(item, language) for item in value]
    if isinstance(value, dict):
        return {name: _said(item, language) for name, item in value.items()}
    return value
