"""What was done with many files: counts, and never a value that was removed."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ml.estimate import JsonObject, JsonValue
from ml.imaging.deid.keyed import Identity
from ml.imaging.deid.procedure import MEANINGS, Row, procedure

if TYPE_CHECKING:  # who reads a report opens no DICOM
    from ml.imaging.deid.engine import Deidentified

SCHEMA = 1
MOST_TAGS = 2000  # a file may hold as many unknown ones as it likes; the rest is counted
MOST_FILES = 100_000
MOST_NAMED = 200  # files to be looked at, where only the first are named


class Report:
    """Adds up files. Input names are left out: they name patients as often as headers do."""

    def __init__(self, identity: Identity) -> None:
        self.key_id = identity.key_id
        self.rows: Counter[Row] = Counter()
        self.options: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.pixels: Counter[str] = Counter()
        self.patients: set[str] = set()
        self.files: list[JsonObject] = []
        self.refused: list[JsonObject] = []
        self.n_written = self.n_refused = self.n_skipped = 0

    def add(self, done: "Deidentified", name: str, sha256: str) -> None:
        """Count a file that was written as ``name``."""
        self.n_written += 1
        self.rows += done.rows
        self.options.update(done.options)
        self.kinds[done.kind.name] += 1
        self.states[done.burned_in.state] += 1
        self.pixels.update(done.pixels_changed)
        self.patients.add(done.patient)
        if len(self.files) < MOST_FILES:
            changed = sum(
                count for (_, _, action), count in done.rows.items() if action not in "KS"
            )
            self.files.append(
                {
                    "name": name,
                    "sha256": sha256,
                    "kind": done.kind.name,
                    "changed": changed,
                    "burned_in": done.burned_in.to_json(),
                }
            )

    def refuse(self, number: int, code: str, message: str) -> None:
        """Count a file of which nothing was written; it is known by its place among the inputs."""
        self.n_refused += 1
        if len(self.refused) < MOST_FILES:
            self.refused.append({"number": number, "code": code, "message": message})

    def to_json(self, *, all_files: bool) -> JsonObject:
        """The report; of the files all, or the first of those that a person has to look at."""
        table = procedure()
        tags: list[JsonValue] = [
            {"tag": tag, "keyword": keyword, "action": action, "count": count}
            for (tag, keyword, action), count in sorted(self.rows.items())[:MOST_TAGS]
        ]
        to_see = [one for one in self.files if _state(one) == "needs_review"]
        return {
            "schema": SCHEMA,
            "procedure": {"version": table.version, "standard": table.standard},
            "key_id": self.key_id,
            "n_files": self.n_written + self.n_refused + self.n_skipped,
            "n_written": self.n_written,
            "n_refused": self.n_refused,
            "n_skipped": self.n_skipped,
            "n_patients": len(self.patients),
            "kinds": dict(sorted(self.kinds.items())),
            "actions": _actions(self.rows, table.actions),
            "options": {
                code: {"meaning": MEANINGS[code], "files": count}
                for code, count in sorted(self.options.items())
            },
            "burned_in": {
                state: self.states[state] for state in ("clear", "declared", "needs_review")
            },
            "pixels": dict(sorted(self.pixels.items())),
            "tags": tags,
            "n_tags": len(self.rows),
            "files": list[JsonValue](self.files if all_files else to_see[:MOST_NAMED]),
            "refused": list[JsonValue](self.refused),
        }


def _actions(rows: Counter[Row], meanings: Mapping[str, str]) -> JsonObject:
    counted: Counter[str] = Counter()
    for (_, _, action), count in rows.items():
        counted[action] += count
    return {
        action: {"meaning": meaning, "elements": counted[action]}
        for action, meaning in meanings.items()
    }


def _state(one: JsonObject) -> str:
    burned_in = one["burned_in"]
    return str(burned_in["state"]) if isinstance(burned_in, dict) else ""
