"""`syt check-receipt`: whether a receipt is ours, without asking us."""

import base64
from pathlib import Path

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from kit.crypto import KeysUnusable
from kit.receipts import Receipt, ReceiptFalse, Why, compare, read
from kit.signing import Trusted, key_id, read_public
from schemas.documents import ReceiptKeys

REASONS = {
    Why.FORM: "不是本平台的验真码：内容残缺、被改动或格式不符",
    Why.KEY: "签名密钥不在公钥表内：公钥表已旧(请重新下载)，或系伪造",
    Why.SIGNATURE: "签名不符：内容已被改动",
    Why.WORDS: "与文书内容不符：不是这份文书的验真码，或文书已被改动",
}


def read_keys(path: Path) -> Trusted:
    """Read the keys that are believed: the saved answer of `GET /v1/receipt-keys`, or PEM.

    Raises:
        KeysUnusable: there is something else in the file.
    """
    text = path.read_text("utf-8")
    if text.lstrip().startswith("-----"):
        return read_public(text)
    try:
        found = [_key(item.public_key) for item in ReceiptKeys.model_validate_json(text).items]
    except (ValidationError, ValueError):
        raise KeysUnusable(f"{path}: neither PEM nor an answer of /v1/receipt-keys") from None
    return {
        key_id(key): key for key in found
    }  # By their own hash: what they are called proves nothing.


def _key(written: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(written, validate=True))


def check(text: str, keys: Path, words: Path | None) -> Receipt:
    """Check a receipt, and if its words are given that they are those of its paper.

    Raises:
        ReceiptFalse: it is not to be believed.
        KeysUnusable: there are no keys to check it by.
    """
    receipt = read(text.strip(), read_keys(keys))
    if words is not None:
        compare(receipt, _words(words))
    return receipt


def _words(path: Path) -> dict[str, object]:
    try:
        found = orjson.loads(path.read_bytes())
        held: dict[str, object] = found.get("words", found)
    except (orjson.JSONDecodeError, AttributeError):
        raise ReceiptFalse(Why.WORDS) from None
    return held


def in_words(receipt: Receipt) -> str:
    """Say what a receipt says."""
    by = f"网点 {receipt.outlet}" if receipt.outlet else "经办机构"
    said = f"文书 {receipt.document}，{receipt.day:%Y-%m-%d} 由{by}出具"
    return f"验真通过：{said}，内容摘要 {receipt.digest.hex()}"
