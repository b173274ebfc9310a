"""The OpenAPI document: what the routes say of themselves, and what holds for all of them.

A route declares what it takes and gives when it succeeds, and what it alone refuses. What every call
may be refused with follows from what it takes: a token, a path, a query, a body, a condition.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from fastapi import FastAPI

from schemas.problems import Problem

Node = dict[str, Any]
"""A part of the document."""

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
    "Content-Disposition": _text("To be kept, not shown.", const="attachment"),
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
    return any(p["in"] == place for p in operation.get("parameters", ()))


def _has_body(operation: Node) -> bool:
    return "requestBody" in operation


def _is_secured(operation: Node) -> bool:
    return "security" in operation


def _is_named(operation: Node) -> bool:
    return _takes(operation, "path")


def _has_shape(operation: Node) -> bool:
    return _has_body(operation) or any(_takes(operation, at) for at in ("path", "query", "header"))


def _is_change(operation: Node) -> bool:
    return any(p["name"] == "If-Match" for p in operation.get("parameters", ()))


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


def install(app: FastAPI) -> None:
    """Let the application give the whole document."""
    plain = app.openapi

    @cache
    def openapi() -> Node:
        return completed(plain())

    app.openapi = openapi  # type: ignore[method-assign]


def completed(document: Node) -> Node:
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
    return document


def _refused(refusal: Refusal) -> Node:
    return {
        "description": refusal.words,
        "headers": ALWAYS | carries("Tus-Resumable", "Tus-Version", *refusal.headers),
        "content": {PROBLEM: {"schema": {"$ref": f"{SCHEMAS}Problem"}}},
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
            yield status, {"$ref": f"#/components/responses/Refused{status}"}


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
