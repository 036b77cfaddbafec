"""What intake found out about a model, with a hash of its own: evidence like any other."""

from collections.abc import Mapping

from ml.estimate import JsonObject, JsonValue
from ml.evidence.store import sha256_of

KEY = "record_sha256"


def sealed(card: Mapping[str, JsonValue]) -> JsonObject:
    """The card with its own SHA-256 beside everything it says."""
    plain = _plain(card)
    return {**plain, KEY: sha256_of(plain)}


def is_whole(card: Mapping[str, JsonValue]) -> bool:
    """Is the card what intake wrote?

    Example:
        >>> card = sealed({"format": "onnx"})
        >>> is_whole(card), is_whole({**card, "format": "pt2"}), is_whole({"format": "onnx"})
        (True, False, False)
    """
    return card.get(KEY) == sha256_of(_plain(card))


def _plain(card: Mapping[str, JsonValue]) -> JsonObject:
    return {name: value for name, value in card.items() if name != KEY}
