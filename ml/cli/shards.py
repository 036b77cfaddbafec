"""The shards of one pass at the command line: computed in children, or found under their key."""

import hashlib
import json
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa

from ml.cli.errors import Stop, checked
from ml.cli.intake import say
from ml.endpoint.link import Link
from ml.engine.plan import PassPlan, limits_of, shards
from ml.engine.runtime import of_all
from ml.estimate import JsonObject
from ml.evidence import store
from ml.evidence.checked import most_bytes
from ml.sandbox.messages import Event, Job
from ml.sandbox.results import ResultError, take
from ml.sandbox.warm import WarmChild

MOST_ROWS = 50_000  # of one shard's table, whatever the pass


class Shards:
    """Computes the shards of a pass, or finds them in the evidence folder under their key."""

    def __init__(
        self,
        planned: PassPlan,
        key: Callable[[Sequence[str]], str],
        job: Callable[[Sequence[str], Path], Job],
        work: Path,
        evidence_folder: Path,
        device: str,
        *,
        reads: Sequence[Path],
        check: Callable[[bytes, Sequence[str]], None],
        link: Callable[[Sequence[str]], Link | None] = lambda shard: None,
        most_bytes: Callable[[int], int] = lambda cases: most_bytes(MOST_ROWS),
    ) -> None:
        """A pass over cases.

        Args:
            planned: the pass.
            key: of the evidence of a shard.
            job: of a shard, from its cases and the folder for its table.
            work: a folder for the time of the run.
            evidence_folder: where tables are kept for the next run.
            device: cpu or cuda.
            reads: what the jobs read.
            check: raises EvidenceError if the table of a shard is not what was asked for.
            link: who answers what the job of a shard asks.
            most_bytes: that the table of a shard of so many cases can have.
        """
        self.planned, self.key, self.job, self.work = planned, key, job, work
        self.reads, self.check, self.most_bytes, self.link = reads, check, most_bytes, link
        self.own = threading.local()  # the child of each thread of the pool
        self.children: list[WarmChild] = []
        self.folder, self.device = evidence_folder, device
        self.runtimes: list[JsonObject] = []
        self.failed = threading.Event()

    def run(self, case_ids: Sequence[str], workers: int) -> pa.Table:
        """The tables of all shards as one, in the order of the cases."""
        self.folder.mkdir(exist_ok=True)
        pieces = shards(case_ids)
        try:
            with ThreadPoolExecutor(max(1, workers)) as pool:
                made = list(pool.map(self.outputs, range(len(pieces)), pieces))
        finally:
            for child in self.children:
                child.close()
        try:
            table = store.joined(made)
        except store.EvidenceError as problem:
            raise Stop(f"{self.planned.name}: {problem}") from None
        assert table is not None  # there is at least one case
        return table

    @property
    def runtime(self) -> JsonObject:
        """What the shards were computed with."""
        return of_all(self.runtimes or [{"device": self.device, "providers": []}])

    def outputs(self, number: int, shard: Sequence[str]) -> bytes:
        """The bytes of one shard's table."""
        known = _Known(self.folder, self.key(shard))
        found = known.read(shard)
        if found is not None:
            say(f"shard {number + 1}: reused")
            data, runtime = found
            self.runtimes.append(runtime)
            return data
        if self.failed.is_set():
            raise Stop("another shard failed")
        try:
            return self._compute(number, shard, known)
        except BaseException:
            self.failed.set()
            raise

    def _compute(self, number: int, shard: Sequence[str], known: "_Known") -> bytes:
        child = self._child()
        what = f"shard {number + 1}"
        with child.place() as place:
            with self.link(shard) or nullcontext() as link:
                done = child.run(
                    self.job(shard, place.out),
                    on_event=tell(what),
                    should_stop=self.failed.is_set,
                    answers=link,
                )
            result = checked(done, what).result
            try:
                most = self.most_bytes(len(shard))
                data = take(place.out, str(result["table"]), most_bytes=most)
                self.check(data, shard)
            except (ResultError, store.EvidenceError) as problem:
                raise Stop(f"{what}: its result cannot be used: {problem}") from None
        runtime = {**cast(JsonObject, result["runtime"]), "isolation": done.isolation}
        self.runtimes.append(runtime)
        if result["reusable"]:
            known.write(data, {**result, "runtime": runtime})
        return data

    def _child(self) -> WarmChild:
        """This thread's child: the kernel ends one with the thread that started it."""
        child: WarmChild | None = getattr(self.own, "child", None)
        if child is None:
            base = Path(tempfile.mkdtemp(dir=self.work))
            limits = limits_of(self.planned.name, device=self.device)
            child = self.own.child = WarmChild(base, limits, reads=self.reads)
            self.children.append(child)
        return child


def settled(model: JsonObject, folder: Path) -> JsonObject:
    """The card of a model, with the runtime that evidence in this folder was begun with.

    Intake measures at every run, and where two runtimes are about as quick the next run could
    choose the other one: then nothing of the evidence would be found again.
    """
    card = cast(JsonObject, model["card"])
    name = store.sha256_of([model["sha256"], model["manifest_sha256"]])
    path = folder / f"{name}.runtime.json"
    try:
        return card | {"runtime": json.loads(path.read_bytes())}
    except (OSError, ValueError):
        folder.mkdir(exist_ok=True)
        path.write_bytes(store.canonical(card.get("runtime")))
        return card


@dataclass(frozen=True)
class _Known:
    """One shard's evidence under its key, with a note beside it of what it was made by."""

    folder: Path
    key: str

    def read(self, shard: Sequence[str]) -> tuple[bytes, JsonObject] | None:
        """The table and the runtime that made it, if it is there, whole and of these cases."""
        try:
            data = (self.folder / f"{self.key}.parquet").read_bytes()
            note = json.loads((self.folder / f"{self.key}.json").read_bytes())
            if hashlib.sha256(data).hexdigest() != note["sha256"]:
                return None
            same = store.cases_of(store.table(data)) == list(shard)
            return (data, note["runtime"]) if same else None
        except (OSError, ValueError, KeyError, TypeError, store.EvidenceError):
            return None

    def write(self, data: bytes, result: JsonObject) -> None:
        note = {"sha256": result["sha256"], "runtime": result["runtime"]}
        self._write("parquet", data)
        self._write("json", store.canonical(note))

    def _write(self, kind: str, data: bytes) -> None:
        partial = self.folder / f".{self.key}.{kind}.partial"
        partial.write_bytes(data)
        partial.replace(self.folder / f"{self.key}.{kind}")


def tell(what: str) -> Callable[[Event], None]:
    def tell(event: Event) -> None:
        if event.kind == "log":
            say(f"{what}: {event.fields['line']}")

    return tell
