"""What a program asks of a portal: one method for each thing the API does."""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from plumb import config
from plumb.archive import sendable
from plumb.errors import NotReached, PlumbError, Refused
from plumb.transport import Progress, Transport

Json = dict[str, Any]
PAGE = 200
ACTIVE = frozenset({"draft", "waiting", "running"})
ATTEMPTS = 3


class Client:
    """A portal as one person in one team sees it; the token says whose.

    Every method answers with the API's own fields; a problem is raised as `PlumbError`.
    """

    def __init__(self, url: str, token: str) -> None:
        self.transport = Transport(url, token)

    @classmethod
    def from_config(cls) -> "Client":
        """With what `plumb login` kept, or PLUMB_URL and PLUMB_TOKEN."""
        kept = config.load()
        return cls(kept.url, kept.token)

    def me(self) -> Json:
        return self._get("/me")

    # handing in

    def push_model(
        self,
        path: str | Path,
        manifest: str | Path | None = None,
        on_progress: Progress | None = None,
    ) -> Json:
        """A model folder, a zip of it, or a weights file with its model.yaml beside."""
        beside = {"model.yaml": Path(manifest)} if manifest else {}
        return self._push("/models", Path(path), {}, on_progress, beside)

    def push_predictions(self, path: str | Path, on_progress: Progress | None = None) -> Json:
        return self._push("/predictions", Path(path), {}, on_progress)

    def push_cohort(
        self, path: str | Path, *, seal: bool = True, on_progress: Progress | None = None
    ) -> Json:
        return self._push("/cohorts", Path(path), {"seal": str(seal).lower()}, on_progress)

    def upload(self, upload_id: str) -> Json:
        return self._get(f"/uploads/{upload_id}")

    def wait_for_upload(
        self,
        upload_id: str,
        *,
        every: float = 1.0,
        on_change: Callable[[Json], None] | None = None,
    ) -> Json:
        """Until it is read. Raises `Refused` with every reason when it was turned down."""
        while True:
            upload = self._patiently(lambda: self.upload(upload_id))
            if on_change:
                on_change(upload)
            if upload["state"] == "failed":
                raise PlumbError(f"It could not be read: {upload['error']}", code="failed")
            if upload["accepted"]:
                return upload
            if upload["accepted"] is False:
                sentence = f"{upload['file_name']} was refused."
                raise Refused(sentence, upload["refusals"], upload.get("scan"))
            time.sleep(every)

    # what there is

    def models(self, **filters: str) -> list[Json]:
        return self._list("/models", filters)

    def model(self, version_id: str) -> Json:
        """One version with its manifest, its card and the verdict of intake."""
        return self._get(f"/models/{version_id}")

    def predictions(self) -> list[Json]:
        return self._list("/predictions", {})

    def cohorts(self, **filters: str) -> list[Json]:
        return self._list("/cohorts", filters)

    def protocols(self, **filters: str) -> list[Json]:
        return self._list("/protocols", filters)

    def push_protocol(self, text: str, *, name: str = "", lock: bool = False) -> Json:
        """From the text of a protocol.yaml."""
        return self._post("/protocols", {"name": name, "yaml": text, "lock": lock})

    def lock_protocol(self, protocol_id: str) -> Json:
        return self._post(f"/protocols/{protocol_id}/lock")

    # audits

    def audits(self, **filters: str) -> list[Json]:
        return self._list("/audits", filters)

    def start_audit(
        self,
        *,
        cohort: str,
        model: str | None = None,
        predictions: str | None = None,
        protocol: str | None = None,
        title: str = "",
        foreign: Sequence[tuple[str, str]] = (),
        reference: str | None = None,
        key: str | None = None,
    ) -> Json:
        """Sent again when no answer arrives: the key makes sure that only one audit starts.

        Args:
            foreign: pairs of a kind (near, far, shifted) and a cohort version that the model was
                not made for.
            reference: a cohort version like what the model was developed on.
        """
        given: Json = {"cohort": cohort, "model": model, "predictions": predictions}
        given |= {"protocol": protocol, "title": title or None, "reference": reference}
        given["foreign"] = [{"kind": kind, "cohort": one} for kind, one in foreign] or None
        body = {name: value for name, value in given.items() if value is not None}
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self._patiently(
            lambda: _object(
                self.transport.ask("POST", "/audits", json_body=body, headers=headers).json()
            )
        )

    def audit(self, audit_id: str) -> Json:
        return self._get(f"/audits/{audit_id}")

    def watch(self, audit_id: str, *, every: float = 2.0) -> Iterator[Json]:
        """The audit again and again, until it is sealed, stopped or failed."""
        while True:
            audit = self._patiently(lambda: self.audit(audit_id))
            yield audit
            if audit["state"] not in ACTIVE:
                return
            time.sleep(every)

    def stop(self, audit_id: str) -> Json:
        return self._post(f"/audits/{audit_id}/stop")

    def resume(self, audit_id: str) -> Json:
        return self._post(f"/audits/{audit_id}/resume")

    # reports

    def reports(self) -> list[Json]:
        return self._list("/reports", {})

    def report(self, report_id: str) -> Json:
        return self._get(f"/reports/{report_id}")

    def audit_json(self, report_id: str) -> bytes:
        """The sealed bytes, checked against the hash that the report names."""
        report = self.report(report_id)
        data = self.transport.ask("GET", f"/reports/{report_id}/audit.json").body
        if hashlib.sha256(data).hexdigest() != report["audit_json_sha256"]:
            raise PlumbError("The audit.json that arrived is not the one that was sealed.")
        return data

    def _push(
        self,
        address: str,
        path: Path,
        fields: dict[str, str],
        on_progress: Progress | None,
        beside: dict[str, Path] | None = None,
    ) -> Json:
        me = self.me()  # a token that is not live is said before the upload, not in the middle
        with sendable(path, beside or {}) as (file, name):
            size, most = file.stat().st_size, me["upload_max_bytes"]
            if size > most:
                raise PlumbError(
                    f"{name} has {size:,} bytes; this portal takes at most {most:,}.",
                    code="too_large",
                )
            answer = self.transport.upload(address, file, fields, on_progress, name)
        return _object(answer.json())

    def _get(self, path: str) -> Json:
        return _object(self.transport.ask("GET", path).json())

    def _post(self, path: str, body: Json | None = None) -> Json:
        return _object(self.transport.ask("POST", path, json_body=body or {}).json())

    def _list(self, path: str, filters: dict[str, str]) -> list[Json]:
        """All of it, piece by piece."""
        found: list[Json] = []
        while True:
            window = filters | {"limit": str(PAGE), "offset": str(len(found))}
            page = self._get(f"{path}?{urlencode(window)}")
            found += page["items"]
            if len(found) >= page["total"] or not page["items"]:
                return found

    def _patiently(self, ask: Callable[[], Json]) -> Json:
        """Again after a moment when no answer came; for requests that may be repeated."""
        for attempt in range(1, ATTEMPTS):
            try:
                return ask()
            except NotReached:
                time.sleep(attempt)
        return ask()


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise PlumbError("The answer has not the shape that was expected.")
    return value
