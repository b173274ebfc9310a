"""Health, metrics, the list of problems, and a page of documentation; none needs a token."""

import asyncio
import base64
import hashlib
from html import escape
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from api.conditional import json
from api.deps import Held
from api.openapi import STATUS, refuses
from api.problems import Leaving, NoSuchPage, language_of
from kit.db import DatabaseAway
from kit.errors import REGISTRY as PROBLEMS
from kit.metrics import registry
from schemas.problems import HealthView

router = APIRouter(tags=["service"])


@router.get("/health/live", response_model=HealthView)
async def live() -> Response:
    """Tell that the process runs."""
    return json({"status": "live"})


@router.get("/health/ready", response_model=HealthView, responses=refuses(503))
async def ready(held: Held) -> Response:
    """Tell that the database answers, memory is fresh, and the process stays."""
    if held.leaving:
        raise Leaving()
    if not held.follower.fresh:
        raise DatabaseAway()
    async with held.engine.connect() as connection:
        await connection.execute(sa.text("SELECT 1"))
    return json({"status": "ready"})


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics() -> Response:
    """Give the figures of all processes to Prometheus."""
    return Response(generate_latest(registry()), media_type=CONTENT_TYPE_LATEST)


STYLE = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{background:#eee;padding:0 .3em}table{border-collapse:collapse;width:100%}"
    "td,th{border-bottom:1px solid #ddd;text-align:left;padding:.3em .6em;vertical-align:top}"
)


_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'"
"""Our own style, and nothing else from anywhere."""


def _page(title: str, body: str, language: str) -> HTMLResponse:
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
    return HTMLResponse(
        f"<!doctype html><html lang={language}><head>{head}</head><body>{body}</body></html>",
        headers={"Content-Security-Policy": POLICY},
    )


@router.get("/problems", response_class=HTMLResponse)
async def list_problems(request: Request) -> Response:
    """List the problems that a call may meet."""
    language = language_of(request)
    rows = "".join(
        f"<tr><td><a href='/problems/{code}'><code>{code}</code></a><td>{STATUS[p.kind]}"
        f"<td>{escape(p.title.within(language))}"
        for code, p in sorted(PROBLEMS.items())
    )
    return _page("Problems", f"<h1>Problems 错误代码</h1><table>{rows}</table>", language)


@router.get("/problems/{code}", response_class=HTMLResponse)
async def show_problem(request: Request, code: str = Path(max_length=80)) -> Response:
    """Say what a problem means and what to do."""
    found = PROBLEMS.get(code)
    if found is None:
        raise NoSuchPage()
    language = language_of(request)
    body = (
        f"<h1>{escape(found.title.within(language))}</h1>"
        f"<p><code>{code}</code> · HTTP {STATUS[found.kind]}</p>"
        f"<p>{escape(found.advice.within(language))}</p><p><a href='/problems'>/problems</a></p>"
    )
    return _page(code, body, language)


@router.get("/docs", response_class=HTMLResponse)
async def docs(request: Request) -> Response:
    """Show every operation, with nothing fetched from elsewhere."""
    document = await asyncio.to_thread(request.app.openapi)  # To make it takes seconds, once.
    rows = "".join(
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    links = "<p><a href='/openapi.json'>openapi.json</a> · <a href='/problems'>problems</a></p>"
    table = f"<table><tr><th>call<th>what<th>permission{rows}</table>"
    return _page("社银通 API", f"<h1>社银通 API</h1>{links}{table}", language_of(request))


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    needed = [scope for item in operation.get("security", []) for s in item.values() for scope in s]
    names = ", ".join(p["name"] for p in operation.get("parameters", []) if "name" in p)
    detail = f"<br><small>{escape(names)}</small>" if names else ""
    codes = " ".join(f"<a href='/problems/{c}'>{c}</a>" for c in operation.get("x-problems", ()))
    detail += f"<br><small>{codes}</small>" if codes else ""
    return (
        f"<tr><td><code>{method.upper()} {escape(path)}</code>"
        f"<td>{escape(operation.get('description', ''))}{detail}<td>{escape(', '.join(needed))}"
    )
