"""Masking of personal data (customary form; GB/T 40217 example style)."""

import re
from typing import Any


def name(value: str) -> str:
    """Keep the first character."""
    return value[:1] + "**"


def id_number(value: str) -> str:
    """Keep the first six and the last four."""
    return f"{value[:6]}********{value[-4:]}" if len(value) >= 15 else "*" * 8


def phone(value: str) -> str:
    """Keep the first three and the last four."""
    return f"{value[:3]}****{value[-4:]}" if len(value) >= 11 else "*" * 8


NUMBER = re.compile(r"[0-9A-Z]{12,}", re.ASCII)
"""A number of an account or a paper: of words, the end may say most."""


def anything(value: Any) -> Any:
    """Keep the last four of a long number, and nothing of anything else."""
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return "*" * 8 + value[-4:]
    return None if value is None else "***"


MASKS = {"name": name, "id_number": id_number, "phone": phone, "credit_code": anything}
PLAIN = frozenset({"kind", "id_type"})


def person(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Mask an applicant, a subject or a proxy."""
    if value is None:
        return None
    return {k: v if k in PLAIN else MASKS.get(k, anything)(v) for k, v in value.items()}


def form(value: dict[str, Any], personal: frozenset[str]) -> dict[str, Any]:
    """Mask the fields of a form that are personal."""
    return {k: anything(v) if k in personal else v for k, v in value.items()}
