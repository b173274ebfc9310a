"""Files sealed in chunks, each file under a data key of its own.

Form: `SYTF`, a byte that names the algorithm (1 AES-256-GCM, 2 SM4-GCM), length of the wrapped key (2 bytes),
the data key wrapped by the key ring and bound to the file, then chunks of at most `CHUNK` plain bytes, each
with a length (4 bytes) and a tag. The chunk's number and whether it is the last go into its nonce: none can be
dropped, moved or added. To wrap the data key anew changes the head alone.
"""

import secrets
from collections.abc import AsyncIterator

from cryptography.exceptions import InvalidTag

from kit.ciphers import SUITES
from kit.crypto import KeyRing, KeysUnusable, sealed_under

MAGIC = b"SYTF"
SEALERS = {suite.version: suite.sealer for suite in SUITES.values()}
CHUNK = 256 * 1024
TAG = 16


def _nonce(index: int, last: bool) -> bytes:
    return index.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


async def seal(keys: KeyRing, plain: AsyncIterator[bytes], bound_to: str) -> AsyncIterator[bytes]:
    """Seal a stream; holds no more than a chunk."""
    data_key = secrets.token_bytes(32)
    wrapped = keys.seal(data_key, bound_to=bound_to)
    suite = keys.suite()
    yield _head(suite.version, wrapped)
    cipher, held, index = suite.sealer(data_key), bytearray(), 0
    async for piece in plain:
        held += piece
        while len(held) > CHUNK:  # What may be the last chunk is held back: it is marked.
            yield _frame(cipher.encrypt(_nonce(index, False), bytes(held[:CHUNK]), None))
            del held[:CHUNK]
            index += 1
    yield _frame(cipher.encrypt(_nonce(index, True), bytes(held), None))


def _head(version: int, wrapped: bytes) -> bytes:
    return MAGIC + bytes([version]) + len(wrapped).to_bytes(2, "big") + wrapped


def _frame(sealed: bytes) -> bytes:
    return len(sealed).to_bytes(4, "big") + sealed


class _Reader:
    """Takes exact numbers of bytes from a stream."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream, self._held = stream, bytearray()

    async def take(self, count: int) -> bytes:
        """Take `count` bytes, fewer only at the end."""
        while len(self._held) < count:
            try:
                self._held += await anext(self._stream)
            except StopAsyncIteration:
                break
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    async def rest(self) -> AsyncIterator[bytes]:
        """Give all that is left, as it comes."""
        if self._held:
            yield bytes(self._held)
        async for piece in self._stream:
            yield piece


async def _read_head(reader: _Reader) -> tuple[int, bytes]:
    magic, version = await reader.take(len(MAGIC)), await reader.take(1)
    if magic != MAGIC or not version or version[0] not in SEALERS:
        raise KeysUnusable("not a sealed file")
    return version[0], await reader.take(int.from_bytes(await reader.take(2), "big"))


async def wrapped_under(sealed: AsyncIterator[bytes]) -> str:
    """Tell under which key a file's data key is wrapped; its head is enough.

    Raises:
        KeysUnusable: it is no sealed file.
    """
    return sealed_under((await _read_head(_Reader(sealed)))[1])


async def rewrap(
    keys: KeyRing, sealed: AsyncIterator[bytes], bound_to: str
) -> AsyncIterator[bytes]:
    """Wrap a file's data key under the current key; its chunks pass as they are.

    Raises:
        KeysUnusable: the key is lost, or the head was changed.
    """
    reader = _Reader(sealed)
    version, wrapped = await _read_head(reader)
    data_key = keys.open(wrapped, bound_to=bound_to)
    yield _head(version, keys.seal(data_key, bound_to=bound_to))
    async for piece in reader.rest():
        yield piece


async def open_(keys: KeyRing, sealed: AsyncIterator[bytes], bound_to: str) -> AsyncIterator[bytes]:
    """Open what `seal` made.

    Raises:
        KeysUnusable: the key is lost, or the bytes were changed, cut or moved.
    """
    reader = _Reader(sealed)
    version, wrapped = await _read_head(reader)
    cipher, index = SEALERS[version](keys.open(wrapped, bound_to=bound_to)), 0
    frame = await _next_frame(reader)
    if frame is None:
        raise KeysUnusable("a sealed file was cut")
    while frame is not None:
        following = await _next_frame(reader)
        try:
            yield cipher.decrypt(_nonce(index, following is None), frame, None)
        except InvalidTag:
            raise KeysUnusable("a sealed file was changed or cut") from None
        frame, index = following, index + 1


async def _next_frame(reader: _Reader) -> bytes | None:
    head = await reader.take(4)
    if not head:
        return None
    size = int.from_bytes(head, "big")
    frame = await reader.take(min(size, CHUNK + TAG))
    if len(head) < 4 or len(frame) != size:
        raise KeysUnusable("a sealed file was changed or cut")
    return frame
