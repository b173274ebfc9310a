"""Put the service together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import problems
from api.edge import Edge
from api.express import Express
from api.routes import (
    agencies,
    applications,
    divisions,
    events,
    files,
    matters,
    oauth,
    outlets,
    pages,
    tasks,
)
from api.state import make_state, running
from kit.settings import Settings
from schemas.problems import Problem

ROUTERS = (
    matters.router, applications.router, tasks.router, events.router, files.router, outlets.router,
    divisions.router, agencies.router, oauth.router, pages.router,
)  # fmt: skip
"""The busiest first: they are matched one after another."""

REFUSALS = {
    code: {"model": Problem, "description": text}
    for code, text in (
        ("4XX", "The call was not right: what to do is at `type`."),
        ("5XX", "The service can't answer now."),
        (422, "Shape or content is wrong; `errors` names all of it."),
    )
}


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; reads the environment only when no settings are given."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(app.state.syt):
            yield

    app = FastAPI(
        title="社银通", version="0.1.0", docs_url=None,
        redirect_slashes=False, redoc_url=None, lifespan=lifespan,
        responses=REFUSALS, description="Bank outlets handle social-security matters.",
    )  # fmt: skip
    app.state.syt = make_state(settings, settings.database_url or "")
    app.add_middleware(Express)
    app.add_middleware(Edge)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    return app
