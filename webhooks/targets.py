"""Where messages may be sent: rules for addresses, as they are written and as they are connected to.

What is written is only looked at; names are resolved where the connection is made, and the very address that
was looked at is the one that is connected to. So no name that changes its address meanwhile leads inside.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from kit.errors import Fault, Words

Ip: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.ASCII)
"""A last label by which old resolvers read the whole as a number: 127.1, 0x7f000001, 2130706433, 0177.0.0.1."""

TUNNELS = (
    ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("2002::/16"), ipaddress.ip_network("2001::/32"),
)  # fmt: skip
"""Addresses that hold another one: of translators, 6to4 and Teredo. Nobody receives messages there."""

HTTPS = Words("须为 https 地址", "it is reached by https")
PLAIN = Words("不得含查询参数、片段或账号", "no query, no fragment, no account")
HOST = Words("主机名或地址写法不正确，或指向内部", "the host is written wrongly, or leads inside")


def faults_of(url: str, *, plain_http: bool) -> Iterator[Fault]:
    """Tell what is wrong with an address as it is written; nothing is resolved."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        yield Fault("/url", "host", HOST)
        return
    if parts.scheme != "https" and not plain_http:
        yield Fault("/url", "https", HTTPS)
    if parts.query or parts.fragment or "@" in parts.netloc or "?" in url or "#" in url:
        yield Fault("/url", "plain", PLAIN)
    if not _is_host(host) or port == 0 or not url.isascii():
        yield Fault("/url", "host", HOST)


def _is_host(host: str) -> bool:
    literal = _literal(host)
    if literal is not None:
        return True  # Where it leads is looked at when it is connected to, as of every other.
    labels = host.rstrip(".").split(".")
    if len(host) > 253 or labels[-1] in ("localhost", ""):
        return False
    return all(map(LABEL.fullmatch, labels)) and NUMERIC.fullmatch(labels[-1]) is None


def _literal(host: str) -> Ip | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def origin_of(url: str) -> str:
    """Give scheme, host and port of an address: what answers, or does not, as one."""
    parts: SplitResult = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    host = (parts.hostname or "").rstrip(".")
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def is_open(address: Ip, allowed: Iterable[Network] = ()) -> bool:
    """Tell whether an address may be connected to: a public one, or one of a network that is allowed."""
    inner = getattr(address, "ipv4_mapped", None) or address
    if any(inner in network for network in allowed if network.version == inner.version):
        return True
    if inner.version == 6 and any(inner in tunnel for tunnel in TUNNELS):
        return False
    closed = inner.is_multicast or inner.is_reserved or getattr(inner, "is_site_local", False)
    return inner.is_global and not closed
