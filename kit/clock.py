"""What time it is, and which day in China."""

from datetime import UTC, date, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has one zone and, since 1991, no summer time; days of the trade are days there."""


def now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def day_of(moment: datetime) -> date:
    """Give the day in China on which `moment` falls."""
    return moment.astimezone(CHINA).date()


def today() -> date:
    """Today, in China."""
    return day_of(now())
