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
from ml.sandbox.messages import Event, Job, Limits
from ml.sandbox.results import ResultError, take
from ml.sandbox.warm import Place, WarmChild

MakeJob = Callable[[Sequence[str], Path], Job]  # of a shard, from its cases and its folder
MOST_ROWS = 50_000  # of one shard's table, whatever the pass


class Children:
    """The threads of an audit and their children: one of each, so that its start is paid once.

    A child serves the passes of one audit that read the same files under the same limits; for
    others its thread starts another. The kernel ends a child with the thread that started it.
    """

    def __init__(self, work: Path, workers: int) -> None:
        """No child is started before it is asked for.

        Args:
            work: a folder for the time of the run.
            workers: how many shards are computed at the same time.
        """
        self._work = work
        self._own = threading.local()  # the child of each thread of the pool
        self._all: list[WarmChild] = []
        self.pool = ThreadPoolExecutor(max(1, workers))

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()
        for child in self._all:
            child.close()

    def own(self, limits: Limits, reads: Sequence[Path]) -> WarmChild:
        """The child of the thread that asks."""
        known: WarmChild | None = getattr(self._own, "child", None)
        if known is not None and (known.limits, known.reads) == (limits, reads):
            return known
        if known is not None:
            known.close()
        base = Path(tempfile.mkdtemp(dir=self._work))
        child = self._own.child = WarmChild(base, limits, reads=reads)
        self._all.append(child)
        return child


@dataclass(frozen=True)
class Wanted:
    """One table of evidence for each shard.

    Attributes:
        key: of the evidence of a shard.
        check: raises EvidenceError if the table of a shard is not what was asked for.
        most_bytes: that the table of a shard of so many cases can have.
    """

    key: Callable[[Sequence[str]], str]
    check: Callable[[bytes, Sequence[str]], None]
    most_bytes: Callable[[int], int] = lambda cases: most_bytes(MOST_ROWS)


class Shards:
    """Computes the shards of a pass, or finds them in the evidence folder under their key."""

    def __init__(
        self,
        planned: PassPlan,
        wanted: Wanted,
        job: MakeJob,
        children: Children,
        evidence_folder: Path,
        device: str,
        *,
        reads: Sequence[Path],
        link: Callable[[Sequence[str]], Link | None] = lambda shard: None,
        beside: tuple[Wanted, MakeJob] | None = None,
    ) -> None:
        """A pass over cases.

        Args:
            planned: the pass.
            wanted: what it leaves.
            job: of a shard, from its cases and the folder for its table.
            children: of the audit.
            evidence_folder: where tables are kept for the next run.
            device: as ``ml.engine.device.resolve`` takes it.
            reads: what the jobs read.
            link: who answers what the job of a shard asks.
            beside: what the same walk can leave for another pass, and the job that leaves both.
        """
        self.planned, self.wanted, self.job, self.children = planned, wanted, job, children
        self.reads, self.link, self.beside = reads, link, beside
        self.folder, self.device = evidence_folder, device
        self.runtimes: list[JsonObject] = []
        self.failed = threading.Event()

    def run(self, case_ids: Sequence[str]) -> pa.Table:
        """The tables of all shards as one, in the order of the cases."""
        self.folder.mkdir(exist_ok=True)
        pieces = shards(case_ids, self.planned.params)
        made = list(self.children.pool.map(self.outputs, range(len(pieces)), pieces))
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
        known = _Known(self.folder, self.wanted.key(shard))
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
        limits = limits_of(self.planned.name, device=self.device)
        child = self.children.own(limits, self.reads)
        what, job, asked = f"shard {number + 1}", self.job, [(known, self.wanted)]
        if self.beside is not None:
            wanted, both = self.beside
            other = _Known(self.folder, wanted.key(shard))
            if other.read(shard) is None:
                job, asked = both, [*asked, (other, wanted)]
        with child.place() as place:
            with self.link(shard) or nullcontext() as link:
                done = child.run(
                    job(shard, place.out),
                    on_event=tell(what),
                    should_stop=self.failed.is_set,
                    answers=link,
                )
            result = checked(done, what).result
            left = [result, cast(JsonObject, result.get("beside", {}))]
            made = [
                (one, _taken(place, wanted, shard, said, what), said)
                for (one, wanted), said in zip(asked, left, strict=False)
            ]
        for one, data, said in made:
            runtime = {**cast(JsonObject, said["runtime"]), "isolation": done.isolation}
            if said["reusable"]:
                one.write(data, {**said, "runtime": runtime})
            if one is known:
                self.runtimes.append(runtime)
        return made[0][1]


def _taken(
    place: Place, wanted: Wanted, shard: Sequence[str], said: JsonObject, what: str
) -> bytes:
    """A table that a child left, held against what was asked for."""
    try:
        data = take(place.out, str(said.get("table", "")), most_bytes=wanted.most_bytes(len(shard)))
        wanted.check(data, shard)
    except (ResultError, store.EvidenceError) as problem:
        raise Stop(f"{what}: its result cannot be used: {problem}") from None
    return data


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
