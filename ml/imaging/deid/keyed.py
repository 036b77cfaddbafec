"""What is made anew under a key: the same from the same key, and nothing to be told without it."""

import hashlib
import hmac
import uuid
from dataclasses import dataclass

KEY_BYTES = 32  # at least
LONGEST_SHIFT = 3650  # days


@dataclass(frozen=True)
class Identity:
    """Whoever holds the key makes the same UIDs, pseudonyms and shifts again."""

    key: bytes

    def __post_init__(self) -> None:
        if len(self.key) < KEY_BYTES:
            raise ValueError(f"a key has at least {KEY_BYTES} bytes")

    @property
    def key_id(self) -> str:
        """Tells whether two reports were made under one key, and nothing of the key."""
        return self._digest("key", "").hex()[:12]

    def uid(self, uid: str) -> str:
        """A UID in place of another one.

        128 bits below 2.25, of which six say that it is a UUID of version 8 (RFC 9562); DICOM
        PS3.5 B.2 asks for a UUID there.
        """
        number = int.from_bytes(self._digest("uid", uid.strip("\0 "))[:16], "big")
        number = number & ~(0xF << 76) | 8 << 76  # version
        number = number & ~(3 << 62) | 2 << 62  # variant
        return f"2.25.{uuid.UUID(int=number).int}"

    def pseudonym(self, patient: str) -> str:
        """16 characters in place of a patient's identifier."""
        return self._digest("patient", patient.strip("\0 ")).hex()[:16].upper()

    def days(self, patient: str) -> int:
        """By how many days all dates of a patient lie earlier: 1 to 3650."""
        drawn = int.from_bytes(self._digest("days", patient.strip("\0 "))[:8], "big")
        return 1 + drawn % LONGEST_SHIFT

    def _digest(self, purpose: str, text: str) -> bytes:
        message = f"{purpose}\0{text}".encode("utf-8", "surrogateescape")
        return hmac.new(self.key, message, hashlib.sha256).digest()
