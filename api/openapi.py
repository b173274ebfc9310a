"""The OpenAPI document: what the routes say of themselves, and what holds for all of them.

A route declares what it takes and gives when it succeeds, and what it alone refuses. What every call
may be refused with follows from what it takes: a token, a path, a query, a body, a condition.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from access.policy import DUTIES, GRANTS, PUBLIC, Duty, May, Role
from api.codes import Search
from api.examples import EXAMPLES, PLACES, body_of
from api.state import State
from kit.errors import REGISTRY, Kind
from schemas.problems import Problem

Node = dict[str, Any]
"""A part of the document."""

STATUS = {
    Kind.MALFORMED: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.NO_SUCH_METHOD: 405,
    Kind.CONFLICT: 409,
    Kind.STALE: 412,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED: 415,
    Kind.INVALID: 422,
    Kind.CONDITION_MISSING: 428,
    Kind.TOO_MANY: 429,
    Kind.CORRUPTED: 460,  # Of the tus protocol.
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
}
"""Each kind of refusal on the wire."""

PROBLEM = "application/problem+json"
SCHEMAS = "#/components/schemas/"


def _text(description: str, **more: Any) -> Node:
    return {"description": description, "schema": {"type": "string", **more}}


HEADERS = {
    "X-Request-Id": {**_text("Names the call, in every line of our logs."), "required": True},
    "ETag": {**_text('Of what is shown; of what has a version, the version in quotes: `"3"`.')},
    "Cache-Control": _text("Who may keep it, and for how long."),
    "Location": _text("Where it is to be found.", format="uri"),
    "Idempotent-Replayed": _text("An earlier call had made it.", const="true"),
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {**_text("How to say who calls.", const="Bearer"), "required": True},
    "Content-Disposition": _text(
        "Whether it is to be kept or shown, and under which name.",
        pattern=r"^(attachment|inline)(; filename=\"[^\"]+\")?$",
    ),
    "X-Content-Type-Options": _text("It is what its type says.", const="nosniff"),
    "Content-Security-Policy": _text("Nothing of it is to be run."),
    "Cross-Origin-Resource-Policy": _text("Not for pages of other places.", const="same-origin"),
    "Referrer-Policy": _text("Where it leads is not told from where.", const="no-referrer"),
    "Strict-Transport-Security": _text("Where the service is reached by https."),
    "X-Frame-Options": _text("Not to be shown within another page.", const="DENY"),
    "Tus-Resumable": _text("Version of the tus protocol, of resumable uploads.", const="1.0.0"),
    "Tus-Version": _text("Versions of the tus protocol that are spoken.", const="1.0.0"),
    "Tus-Extension": _text("Extensions of the tus protocol that are spoken."),
    "Tus-Max-Size": {"description": "Bytes at most.", "schema": {"type": "integer"}},
    "Tus-Checksum-Algorithm": _text("Algorithms of checksums."),
    "Upload-Offset": {
        "description": "Bytes that are kept: where to go on.",
        "schema": {"type": "integer"},
    },
    "Upload-Length": {"description": "Bytes of the whole file.", "schema": {"type": "integer"}},
    "Upload-Expires": _text("When what came is forgotten (RFC 9110)."),
    "Upload-Metadata": _text("As it was given."),
    "Upload-File": _text("The stored file, once all of it came."),
}
"""Every header that an answer may have, beside those of HTTP itself."""


def carries(*names: str) -> Node:
    """Refer to headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


ALWAYS = carries(
    "X-Request-Id", "Cache-Control", "Content-Security-Policy", "Cross-Origin-Resource-Policy",
    "Referrer-Policy", "Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options",
)  # fmt: skip
"""Headers of every answer: `api/edge.py`."""


TAGGED: dict[int | str, Node] = {
    200: {"headers": carries("ETag", "Cache-Control")},
    304: {"description": "As it was when it got this tag.", "headers": carries("ETag", "Cache-Control")},
}  # fmt: skip
"""Answers that are read conditionally."""

VERSIONED: dict[int | str, Node] = {200: {"headers": carries("ETag")}}
"""Answers whose tag is the version that a change sends."""


PAGE = "text/html"


def shows(*statuses: int) -> dict[int | str, Any]:
    """Declare refusals that a person reads as a page, where it is the page's own form that is refused."""
    page = {"content": {PAGE: {"schema": {"type": "string"}}}}
    return {status: page for status in statuses}


def refuses(*statuses: int) -> dict[int | str, Node]:
    """Declare what a route refuses beside what follows from what it takes."""
    return {status: {"description": ""} for status in statuses}


class Refusal(NamedTuple):
    """A status, what it means, and which operations may answer with it."""

    status: int
    words: str
    follows: Callable[[Node], bool]
    headers: tuple[str, ...] = ()


def _takes(operation: Node, place: str) -> bool:
    return any(p.get("in") == place for p in operation.get("parameters", ()))


def _has_body(operation: Node) -> bool:
    return "requestBody" in operation


def _is_secured(operation: Node) -> bool:
    return "security" in operation


def _is_named(operation: Node) -> bool:
    return _takes(operation, "path")


def _has_shape(operation: Node) -> bool:
    return _has_body(operation) or any(_takes(operation, at) for at in ("path", "query", "header"))


def _is_change(operation: Node) -> bool:
    return any(p.get("name") == "If-Match" for p in operation.get("parameters", ()))


def _by_route(operation: Node) -> bool:
    return False


REFUSALS = (
    Refusal(400, "The body can't be read.", _has_body),
    Refusal(401, "Who calls is not known.", _is_secured, ("WWW-Authenticate",)),
    Refusal(403, "The caller may not do this.", _is_secured),
    Refusal(404, "There is none, or none that the caller may see.", _is_named),
    Refusal(409, "Not as things stand now.", _is_change, ("Retry-After",)),
    Refusal(412, "It has changed since it was read.", _is_change),
    Refusal(413, "The body is too large.", _has_body),
    Refusal(415, "A file of a kind that is not taken.", _by_route),
    Refusal(422, "Shape or content is wrong; `errors` names all of it.", _has_shape),
    Refusal(428, "`If-Match` is needed.", _is_change),
    Refusal(429, "Too many calls.", _is_secured, ("Retry-After",)),
    Refusal(460, "The part differs from its checksum.", _by_route),
    Refusal(503, "Not now; nothing was done.", _is_secured, ("Retry-After",)),
)

LANGUAGE = {
    "name": "Accept-Language", "in": "header", "description": "Of refusals and pages: zh or en.",
    "schema": {"type": "string", "default": "zh"},
}  # fmt: skip
REQUEST_ID = {
    "name": "X-Request-Id", "in": "header", "description": "Taken where it is 1-64 of A-Z a-z 0-9 . _ -",
    "schema": {"type": "string"},
}  # fmt: skip
TAG = {
    "name": "If-None-Match", "in": "header", "description": "The `ETag` of what the client has.",
    "schema": {"type": "string"},
}  # fmt: skip

FORMS = {"If-Match": '^"[1-9][0-9]{0,9}"$'}
"""Forms of headers that are looked at after the permission."""


class To(NamedTuple):
    """A link: the operation that it leads to, and its parameters out of the answer."""

    operation: str
    parameters: dict[str, str]


def _application(at: str) -> tuple[To, ...]:
    """Lead from an application that stands `at` a place of an answer to all that is done with it."""
    number = {"number": f"$response.body#{at}/number"}
    version = {"header.If-Match": f'"{{$response.body#{at}/version}}"'}
    return (
        To("get_application", number),
        To("list_application_events", number),
        To("reveal_application", number),
        To("release_task", number),
        To("act_on_application", number | version),
    )


def _next(operation: str) -> To:
    return To(operation, {"after": "$response.body#/next"})


ONE, FIRST = _application(""), _application("/items/0")
MATTER = {"matter": "$response.body#/items/0/matter"}
LINKS = {
    "submit_application": ONE,
    "get_application": ONE,
    "act_on_application": ONE,
    "reveal_application": ONE,
    "release_task": ONE,
    "claim_tasks": FIRST,
    "list_tasks": (*FIRST, _next("list_tasks")),
    "list_applications": (*FIRST, _next("list_applications")),
    "list_events": (
        To("get_application", {"number": "$response.body#/items/0/application"}),
        _next("list_events"),
    ),
    "upload_file": (To("download_file", {"file": "$response.body#/file"}),),
    "list_matters": (To("get_matter", MATTER), To("get_guide", MATTER), _next("list_matters")),
    "list_outlets": (
        To("get_outlet", {"outlet": "$response.body#/items/0/outlet"}),
        _next("list_outlets"),
    ),
    "list_divisions": (
        To("get_division", {"code": "$response.body#/items/0/code"}),
        _next("list_divisions"),
    ),
    "list_agencies": (_next("list_agencies"),),
}
"""Where each answer leads, by the names of operations."""


CALLERS: Mapping[str, tuple[str, frozenset[Role]]] = {
    "for-terminals": ("柜员终端：银行网点的终端程序", frozenset({Role.TELLER})),
    "for-banks": (
        "合作银行：网点负责人、银行管理员",
        frozenset({Role.OUTLET_MANAGER, Role.BANK_ADMIN}),
    ),
    "for-agencies": (
        "经办机构：受理、初审、复核、审批、负责人",
        frozenset(r for r, d in DUTIES.items() if d in (Duty.HANDLING, Duty.DIRECTION)),
    ),
    "for-control": ("稽核、内控", frozenset(r for r, d in DUTIES.items() if d is Duty.CONTROL)),
    "for-administration": (
        "网点、事项、权限管理",
        frozenset(r for r, d in DUTIES.items() if d in (Duty.ADMINISTRATION, Duty.RIGHTS)),
    ),
}
"""Who calls, and which roles that are: an operation has the tag of each who may."""

EVERYBODY, APPLICANTS, NOBODY = "for-everybody", "for-applicants", "without-token"
OTHERS = {
    EVERYBODY: "所有持令牌的调用方：公开的登记数据", APPLICANTS: "办事群众：凭办件编号和查询码，不用令牌",
    NOBODY: "不用令牌：令牌、健康检查、公开页面",
}  # fmt: skip

OF_GUARD = frozenset({"forbidden", "stronger-proof-needed"})
OF_BODY = frozenset({
    "body-too-large", "json-malformed", "json-too-deep", "json-too-many", "text-forbidden",
})  # fmt: skip
OF_SHAPE, OF_TOKEN, OF_LIST = "request-invalid", "database-away", "query-too-broad"
"""Codes that no function of an operation names: what reads requests refuses them, or what asks the database."""

PACKAGES = frozenset({
    "access", "agencies", "api", "applications", "archives", "conformity", "connectors", "custody",
    "divisions", "documents", "entrusting", "events", "evidence", "files", "importing", "judging",
    "kit", "looking", "matters", "notices", "outlets", "publishing", "ratings", "routing", "schemas",
    "sheets", "supervision", "terminals", "territory", "webhooks",
})  # fmt: skip
"""Packages of the service, into which is followed what an operation may refuse with."""

ALSO: Mapping[str, frozenset[str]] = {
    "submit_application": frozenset(
        {"idempotency-key-in-progress"}
    ),  # Told by who writes for many.
}
"""Codes of operations to which no name leads."""


def install(app: FastAPI) -> None:
    """Let the application give the whole document."""
    plain = app.openapi

    @cache
    def openapi() -> Node:
        return completed(plain(), _codes(app))

    app.openapi = openapi  # type: ignore[method-assign]


def _codes(app: FastAPI) -> Mapping[str, frozenset[str]]:
    """Find the codes that each operation's own code may refuse with."""
    search = Search(PACKAGES, {"syt": State})
    routes = (c.original_route for c in iter_route_contexts(app.routes))
    return {
        route.operation_id or route.name: frozenset(e.code for e in search.codes(route.dependant))
        for route in routes
        if isinstance(route, APIRoute)
    }


def completed(document: Node, codes: Mapping[str, frozenset[str]]) -> Node:
    """Add what holds for all operations; the document is changed in place."""
    components = document["components"]
    for name in ("HTTPValidationError", "ValidationError"):  # The framework's, which we never give.
        components["schemas"].pop(name, None)
    problem = Problem.model_json_schema(ref_template=f"{SCHEMAS}{{model}}")
    components["schemas"] |= problem.pop("$defs") | {"Problem": problem}
    components["headers"] = HEADERS
    components["parameters"] = {p["name"]: p for p in (LANGUAGE, REQUEST_ID, TAG)}
    components["responses"] = {f"Refused{r.status}": _refused(r) for r in REFUSALS}
    for operations in document["paths"].values():
        for operation in operations.values():
            _complete(operation)
            operation["x-problems"] = _problems(operation, codes)
            operation["tags"] = [*operation.get("tags", ()), *_callers(operation)]
            _exemplify(operation)
    _rename(document)
    _close(document)
    document["tags"] = [
        {"name": name, "description": words}
        for name, words in ({name: words for name, (words, _) in CALLERS.items()} | OTHERS).items()
    ]
    return document


UNIQUE = re.compile(r"^schemas__(\w+?)__|[^0-9A-Za-z]+")


def _rename(document: Node) -> None:
    """Give schemas names that are words: generators make classes of them, and two of one name clash."""
    schemas = document["components"]["schemas"]
    names = {name: _class_name(name) for name in schemas}
    document["components"]["schemas"] = {
        names[n]: {**s, "title": names[n]} for n, s in schemas.items()
    }
    _refer(document, {f"{SCHEMAS}{old}": f"{SCHEMAS}{new}" for old, new in names.items()})


def _class_name(name: str) -> str:
    return UNIQUE.sub(lambda m: (m[1] or "").title(), name)


def _refer(part: Any, places: Mapping[str, str]) -> None:
    """Let references follow, wherever they stand."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part):
        if isinstance(value, dict | list):
            _refer(value, places)
        elif isinstance(value, str) and value in places:
            part[key] = places[value]


def _close(part: Any) -> None:
    """Say of objects whose keys have a form that there are no other keys: the library refuses them untold."""
    for value in part.values() if isinstance(part, dict) else part:
        if isinstance(value, dict | list):
            _close(value)
    if isinstance(part, dict) and "patternProperties" in part:
        part.setdefault("additionalProperties", False)


def _problems(operation: Node, codes: Mapping[str, frozenset[str]]) -> list[str]:
    """List the codes with which an operation may refuse."""
    name = operation["operationId"]
    found = set(codes.get(name, ())) | ALSO.get(name, frozenset())
    found |= OF_GUARD if _is_secured(operation) else frozenset()
    found |= OF_BODY if _has_body(operation) else frozenset()
    found |= {OF_SHAPE} if _has_shape(operation) else set()
    found |= {OF_TOKEN} if "503" in operation["responses"] else set()
    found |= {OF_LIST} if not _is_named(operation) and _takes(operation, "query") else set()
    return sorted(c for c in found if str(STATUS[REGISTRY[c].kind]) in operation["responses"])


def _callers(operation: Node) -> list[str]:
    """Name who calls an operation, by who holds what it needs."""
    needed = [May(m) for one in operation.get("security", ()) for ms in one.values() for m in ms]
    if not needed:
        return [APPLICANTS if "progress" in operation.get("tags", ()) else NOBODY]
    if needed[0] in PUBLIC:
        return [EVERYBODY]
    return [
        name for name, (_, roles) in CALLERS.items() if any(needed[0] in GRANTS[r] for r in roles)
    ]


def _exemplify(operation: Node) -> None:
    """Put in what is sent, as a test sends it; and names of things in paths."""
    for parameter in operation["parameters"]:
        if parameter.get("in") == "path" and parameter["name"] in PLACES:
            parameter["example"] = PLACES[parameter["name"]]
    name = operation["operationId"]
    if name in EXAMPLES:
        shown = {"summary": EXAMPLES[name].words, "value": body_of(name)}
        for content in operation["requestBody"]["content"].values():
            content["examples"] = {"sent": shown}


def _refused(refusal: Refusal, shown: Node = {}) -> Node:  # noqa: B006 -- read only
    return {
        "description": refusal.words,
        "headers": ALWAYS | carries("Tus-Resumable", "Tus-Version", *refusal.headers),
        "content": {PROBLEM: {"schema": {"$ref": f"{SCHEMAS}Problem"}}} | shown,
    }


def _complete(operation: Node) -> None:
    parameters = map(_plain, operation.get("parameters", ()))
    tag = [TAG] if "304" in operation["responses"] else []
    links = {
        f"{n}-{link.operation}": {"operationId": link.operation, "parameters": link.parameters}
        for n, link in enumerate(LINKS.get(operation["operationId"], ()))
    }
    operation["responses"] = dict(_responses(operation, links))
    operation["parameters"] = [*parameters, *map(_shared, [LANGUAGE, REQUEST_ID, *tag])]


def _shared(parameter: Node) -> Node:
    return {"$ref": f"#/components/parameters/{parameter['name']}"}


def _responses(operation: Node, links: Node) -> Iterator[tuple[str, Node]]:
    declared = operation["responses"]
    for status in sorted(s for s in declared if s < "400"):
        response = declared[status]
        known = ALWAYS | response.get("headers", {})
        yield status, {**response, "headers": known, **({"links": links} if links else {})}
    for refusal in REFUSALS:
        status = str(refusal.status)
        # The framework declares a 422 of its own; ours follows from the operation.
        if refusal.follows(operation) or (status in declared and status != "422"):
            shown = declared.get(status, {}).get("content", {}).get(PAGE)
            yield (
                status,
                _refused(refusal, {PAGE: shown})
                if shown
                else {"$ref": f"#/components/responses/Refused{status}"},
            )


def _plain(parameter: Node) -> Node:
    """Say of a parameter what it is where it is given: to leave it out is its null."""
    schema = dict(parameter["schema"])
    given = [one for one in schema.pop("anyOf", ()) if one.get("type") != "null"]
    form = {"pattern": FORMS[parameter["name"]]} if parameter["name"] in FORMS else {}
    plain = {
        **(given[0] if len(given) == 1 else {"anyOf": given} if given else {}),
        **schema,
        **form,
    }
    return {**parameter, "schema": plain}
