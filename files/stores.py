"""The store of scans: a folder of ours, or what a URL names; and how it refuses."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, NamedTuple

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from files.errors import FileNotFound, FilesAway
from files.sealing import open_, rewrap, seal, wrapped_under
from kit.crypto import KeyRing
from kit.db import Sessions
from kit.settings import Settings

PATIENCE: dict[str, Any] = {"connect_timeout": "3s", "read_timeout": "10s", "timeout": "60s"}
"""A store that is away is told of soon: somebody stands at a counter and waits."""

RETRIES = {"max_retries": 2, "retry_timeout": 8}
"""How often, and for how many seconds, a call is tried again."""


class Vault(NamedTuple):
    """Where scans are kept: the store, the keys that seal them, and what is known of them."""

    files: ObjectStore
    keys: KeyRing
    sessions: Sessions


def make_store(settings: Settings) -> ObjectStore:
    """Open the store of the settings: a folder of ours, or what the URL names."""
    url, options = settings.files_url, dict(settings.files_options)
    if url is None:
        return LocalStore(prefix=settings.home / "files", mkdir=True, automatic_cleanup=True)
    if url.startswith("file:"):
        return from_url(url, **options)
    options["client_options"] = PATIENCE | options.get("client_options", {})
    options["retry_config"] = _timed(RETRIES | options.get("retry_config", {}))
    return from_url(url, **options)


def _timed(retries: dict[str, Any]) -> dict[str, Any]:
    """Take seconds for what JSON can't say."""
    return retries | {"retry_timeout": timedelta(seconds=retries["retry_timeout"])}


@contextmanager
def refusals() -> Iterator[None]:
    """Tell a store that refuses from a fault of ours.

    Raises:
        FileNotFound: what is wanted is not there.
        FilesAway: the store can't be written or read.
    """
    try:
        yield
    except FileNotFoundError:
        raise FileNotFound() from None
    except (BaseError, OSError) as error:
        raise FilesAway(private=type(error).__name__) from None


async def put(vault: Vault, path: str, plain: AsyncIterator[bytes]) -> None:
    """Seal a stream into the store; no plain byte touches a disk.

    Raises:
        FilesAway: the store refuses; there is nothing at the path.
    """
    with refusals():
        await vault.files.put_async(path, seal(vault.keys, plain, f"file:{path}"))


async def get(vault: Vault, path: str) -> AsyncIterator[bytes]:
    """Open what lies at a path, as a stream.

    Raises:
        FileNotFound: the store has lost it.
        FilesAway: the store refuses, also half-way.
    """
    with refusals():
        got = await vault.files.get_async(path)
    return _told(open_(vault.keys, aiter(got.stream()), f"file:{path}"))


async def _told(plain: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with refusals():
        async for piece in plain:
            yield piece


HEAD = 512
"""Bytes of a sealed file in which its wrapped key stands."""


async def rewrap_at(vault: Vault, path: str) -> bool:
    """Wrap the data key of what lies at a path under the current key, if it is not; tell whether it was not.

    Raises:
        FileNotFound: the store has lost it.
        FilesAway: the store refuses; what lies there is as it was.
        KeysUnusable: the key is lost, or the head was changed.
    """
    with refusals():
        head = bytes(await vault.files.get_range_async(path, start=0, length=HEAD))
        if await wrapped_under(_once(head)) == vault.keys.current:
            return False
        got = await vault.files.get_async(path)
        again = rewrap(vault.keys, aiter(got.stream()), f"file:{path}")
        await vault.files.put_async(path, again)
    return True


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def remove(files: ObjectStore, paths: Sequence[str]) -> None:
    """Remove what lies at the paths, or below those that end in `/`; what is gone already is no fault.

    Raises:
        FilesAway: the store refuses; what was removed is.
    """
    with refusals():
        for path in paths:
            for found in await _below(files, path) if path.endswith("/") else [path]:
                with suppress(FileNotFoundError):
                    await files.delete_async(found)


async def _below(files: ObjectStore, folder: str) -> list[str]:
    return [meta["path"] async for some in files.list(folder) for meta in some]


async def try_to_remove(files: ObjectStore, *paths: str) -> None:
    """Remove what was announced as a leftover at once, if the store lets us; else it is done later."""
    with suppress(FilesAway):
        await remove(files, paths)
