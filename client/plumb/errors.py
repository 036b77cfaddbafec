"""What can go wrong, with the portal's code where the portal answered."""

from collections.abc import Mapping
from typing import Any


class PlumbError(Exception):
    """The portal refused a request, or could not be asked."""

    def __init__(
        self, message: str, *, code: str = "", status: int = 0, details: Mapping[str, Any] = {}
    ) -> None:
        super().__init__(message)
        self.code, self.status, self.details = code, status, dict(details)


class NotReached(PlumbError):
    """No answer arrived; whether the portal acted is not known."""


class Refused(PlumbError):
    """What was handed in was read and turned down; `refusals` holds every reason.

    `scan` lists what lay in a model's upload, where that is known.
    """

    def __init__(
        self,
        message: str,
        refusals: list[dict[str, Any]],
        scan: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code="refused")
        self.refusals, self.scan = refusals, dict(scan or {})
