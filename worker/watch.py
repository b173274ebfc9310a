"""Count what the database alone knows: how far the feed lags, which applications are late.

Two workers count the same; what is shown is the newest count.
"""

from typing import Literal

from prometheus_client import Gauge

from applications import queries as applications
from events import queries as events
from kit.clock import today
from kit.db import Sessions, transaction
from worker.tasks import Task

PERIOD = 15.0
MODE: Literal["livemostrecent"] = "livemostrecent"

UNTOLD = Gauge("syt_feed_untold_events", "Events not told yet.", multiprocess_mode=MODE)
LAG = Gauge("syt_feed_lag_seconds", "Age of the oldest event not told yet.", multiprocess_mode=MODE)
LATE = Gauge(
    "syt_applications_late", "Open applications on their last day (red) or past it (overdue).",
    ("waiting_for", "light"), multiprocess_mode=MODE,
)  # fmt: skip
PROVISIONAL = Gauge(
    "syt_applications_provisional", "Open applications due in a year without a calendar.",
    multiprocess_mode=MODE,
)  # fmt: skip


async def look(sessions: Sessions) -> float:
    """Count once."""
    async with transaction(sessions) as session:
        lag = await events.lag(session)
    async with transaction(sessions) as session:
        late = await applications.late(session, today())
        provisional = await applications.provisional(session)
    UNTOLD.set(lag.events)
    LAG.set(lag.seconds)
    for group, count in late.items():
        LATE.labels(*group).set(count)
    PROVISIONAL.set(provisional)
    return PERIOD


TASK = Task("watch", look, retry=PERIOD)
