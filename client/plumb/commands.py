"""What each command does: ask the client, say what came of it, answer with an exit code."""

import argparse
import getpass
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from plumb import config, show
from plumb.client import Client
from plumb.errors import PlumbError

DONE, LIMIT_FAILED, REFUSED = 0, 1, 2
Json = dict[str, Any]
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_COLUMNS: dict[str, tuple[str, ...]] = {
    "models": ("id", "name", "version", "state", "format"),
    "cohorts": ("id", "name", "number", "state", "n_cases"),
    "predictions": ("id", "claimed_model", "claimed_version", "n_cases"),
    "protocols": ("id", "name", "version", "state"),
    "audits": ("id", "reference", "state", "verdict", "title"),
    "reports": ("id", "reference", "verdict", "title"),
}


def login(given: argparse.Namespace) -> int:
    parts = urlsplit(given.url)
    if parts.scheme == "http" and parts.hostname not in _HERE:
        print("plumb: http sends the token in the clear; use https.", file=sys.stderr)
    token = (given.token or getpass.getpass("Token: ")).strip()
    me = Client(given.url, token).me()
    path = config.save(config.Config(given.url, token))
    print(f"Signed in as {me['user']['name']} in {me['team']['name']} ({me['role']}).")
    print(f"Kept in {path}, readable by you alone.")
    return DONE


def push(client: Client, given: argparse.Namespace) -> int:
    line = show.Line()

    def sent(done: int, total: int) -> None:
        line.say(f"Sent {show.size(done)} of {show.size(total)}", passing=True)

    pushes: dict[str, Callable[[], Json]] = {
        "models": lambda: client.push_model(given.path, given.manifest, sent),
        "cohorts": lambda: client.push_cohort(given.path, seal=not given.no_seal, on_progress=sent),
        "predictions": lambda: client.push_predictions(given.path, sent),
    }
    try:
        upload = pushes[given.noun]()
        if not given.no_wait:
            upload = client.wait_for_upload(upload["id"], on_change=lambda u: line.say(_reading(u)))
    finally:
        line.end()
    if given.json:
        return _print(upload)
    made = upload["model"] or upload["cohort"] or upload["predictions"]
    if made:
        print(f"{upload['file_name']} accepted: {upload['kind']} {made}")
        if upload["model"]:
            show.intake_verdict(client.model(made)["verdict"])
    else:
        print(f"{upload['file_name']} is being read: upload {upload['id']}")
    return DONE


def _reading(upload: Json) -> str:
    """How the reading of an upload goes, in one line."""
    if upload["state"] == "waiting":
        return "Waiting to be read"
    progress = upload["progress"]
    counted = f", {progress['done']} of {progress['total']}" if progress["total"] else ""
    return f"{progress['text'] or 'Reading'}{counted}"


def push_protocol(client: Client, given: argparse.Namespace) -> int:
    try:
        text = given.file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PlumbError(f"{given.file} cannot be read: {error}.") from error
    written = client.push_protocol(text, name=given.name, lock=not given.no_lock)
    if given.json:
        return _print(written)
    print(f"{written['name']}, version {written['version']}, {written['state']}: {written['id']}")
    return DONE


def listed(client: Client, given: argparse.Namespace) -> int:
    filters = {"state": given.state} if getattr(given, "state", "") else {}
    rows: list[Json] = getattr(client, given.noun)(**filters)
    if given.json:
        return _print(rows)
    columns = _COLUMNS[given.noun]
    head = [column.replace("_", " ").upper() for column in columns]
    show.table(head, [[row[column] for column in columns] for row in rows])
    return DONE


def start(client: Client, given: argparse.Namespace) -> int:
    audit = client.start_audit(
        cohort=given.cohort,
        model=given.model,
        predictions=given.predictions,
        protocol=given.protocol,
        title=given.title,
        foreign=given.foreign,
        reference=given.reference,
    )
    print(
        f"{audit['reference']} started, look {audit['look']}: {audit['id']}",
        file=sys.stderr if given.json else sys.stdout,
    )
    if given.watch:
        return _watch(client, audit["id"], given.json)
    return _print(audit) if given.json else DONE


def watch(client: Client, given: argparse.Namespace) -> int:
    return _watch(client, given.id, given.json)


def _watch(client: Client, audit_id: str, as_json: bool) -> int:
    line = show.Line()
    said: set[str] = set()
    audit: Json = {}
    try:
        for audit in client.watch(audit_id):
            for note in audit["progress"]["notes"]:
                if note["claim"] not in said:
                    line.end()
                    print(f"{note['claim']} {note['why']}", file=sys.stderr)
                    said.add(note["claim"])
            line.say(show.progress(audit, with_left=line.over))
    finally:
        line.end()
    if as_json:
        _print(audit)
    else:
        print(show.verdict(audit))
        if audit["report"]:
            print(f"Report: {client.report(audit['report'])['url']}")
    if audit["state"] != "sealed":
        return REFUSED
    return LIMIT_FAILED if audit["verdict"] == "fail" else DONE


def stop(client: Client, given: argparse.Namespace) -> int:
    audit = client.stop(given.id)
    return _print(audit) if given.json else _say(show.verdict(audit))


def resume(client: Client, given: argparse.Namespace) -> int:
    audit = client.resume(given.id)
    return _print(audit) if given.json else _say(show.progress(audit))


def get_report(client: Client, given: argparse.Namespace) -> int:
    report_id = _report_of(client, given.id)
    if given.json:
        return _print(client.report(report_id))
    data = client.audit_json(report_id)
    if given.out is None:
        sys.stdout.buffer.write(data)
        return DONE
    _write(given.out, data)
    return _say(f"{given.out}: {show.size(len(data))}, as sealed")


def _report_of(client: Client, given: str) -> str:
    """The id itself, or the report of the audit that has it."""
    try:
        return str(client.report(given)["id"])
    except PlumbError as error:
        if error.code != "not_found":
            raise
    audit = client.audit(given)
    if audit["report"] is None:
        raise PlumbError(f"{audit['reference']} is {audit['state']}: it has no report yet.")
    return str(audit["report"])


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise PlumbError(f"{path} cannot be written: {error}.") from error


def _print(value: object) -> int:
    print(json.dumps(value, indent=2, ensure_ascii=False))
    return DONE


def _say(text: str) -> int:
    print(text)
    return DONE
