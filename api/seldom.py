"""Operations beside the main job: a quarter of what a process loads, and the quarter that nobody waits for."""

import re
from typing import Any

from api.express import Lane
from api.routes import (
    agencies,
    agreements,
    archives,
    banks,
    catalogue,
    contacts,
    coverage,
    documents,
    drafting,
    evidence,
    exports,
    grants,
    imports,
    looking,
    notices,
    outlets,
    progress,
    proposals,
    ratings,
    reconciliations,
    register,
    registry,
    revocations,
    routing,
    sheets,
    staff,
    subscriptions,
    supervision,
    terminals,
)

ROUTERS: tuple[Any, ...] = (
    outlets.router, agencies.router, subscriptions.router, supervision.router, imports.router,
    exports.router, coverage.router,
    documents.router, documents.receipts, progress.router, ratings.router,
    ratings.applicants, notices.router, routing.router, sheets.router, drafting.router,
    catalogue.router, register.router, terminals.router, grants.router, revocations.router,
    looking.router, evidence.router, staff.router, reconciliations.router, archives.router,
    banks.router, agreements.router, proposals.router, registry.router, contacts.router,
)  # fmt: skip

LANES = (Lane("GET", re.compile(r"/v1/outlets"), "/v1/outlets", outlets.plain_search),)
"""Whoever stands in front of a person asks for the nearest outlet: no framework need be waited for."""
