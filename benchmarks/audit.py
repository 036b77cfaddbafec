"""What the audit's way of running a model costs beside the bare runtime."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import yaml
from PIL import Image

from benchmarks import engine
from benchmarks.measuring import Result, Skipped, alternated, attempted, seconds
from ml.assemble import evidence, run_checks
from ml.checks.registry import checks_of
from ml.engine.plan import PassPlan, job_of_shard
from ml.evidence.store import file_sha256, output_columns, outputs_table, table
from ml.intake.cohort import read_cohort
from ml.intake.model_manifest import ModelManifest
from ml.protocol import Protocol
from ml.sandbox.messages import Reporter
from ml.sandbox.parent import environment
from ml.sandbox.parent import run as run_job
from ml.zoo.shades import SIZE, cohort_folder, model_folder

CASES, BATCH = 200, 8
# Of the whole audit: its model, its cases, and the shards it is reckoned from.
NETWORK, WHOLE, SHARDS, RUNS = "DenseNet121", 1000, (16, 48), 3


def run() -> Iterator[Result | Skipped]:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        yield from attempted(
            partial(shard_against_bare_runtime, Path(one)), partial(whole_audit, Path(other))
        )


def shard_against_bare_runtime(folder: Path) -> Result:
    """One shard in a child process (start, decode, predict, Parquet) against a plain loop."""
    model = model_folder(folder / "model", channels=64, layers=3)
    images = sorted((cohort_folder(folder / "cohort", n=CASES, readers=0) / "images").iterdir())
    manifest = ModelManifest.model_validate(yaml.safe_load((model / "model.yaml").read_text()))
    by_hash = folder / "files"
    by_hash.mkdir()
    named = [by_hash / file_sha256(path) for path in images]
    for path, target in zip(images, named, strict=True):
        target.write_bytes(path.read_bytes())
    case_ids = [path.stem for path in images]

    def ours() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        with tempfile.TemporaryDirectory(dir=folder) as out:
            job = job_of_shard(
                PassPlan("predict", {"batch": BATCH}),
                model_path=model / "model.onnx",
                manifest=manifest.model_dump(mode="json"),
                shard=case_ids,
                images={case: [path] for case, path in zip(case_ids, named, strict=True)},
                out_dir=Path(out),
            )
            outcome = run_job(job)
            assert outcome.state == "done", outcome.reason
            made = table((Path(out) / str(outcome.result["table"])).read_bytes())
        return np.column_stack([made[name].to_numpy() for name in output_columns(made)])

    def peer() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(model / "model.onnx"), options)
        outputs = []
        for at in range(0, CASES, BATCH):
            batch = [
                np.asarray(
                    Image.open(path).convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR),
                    np.float32,
                )
                for path in images[at : at + BATCH]
            ]
            pixels = np.stack(batch)[:, None] / np.float32(255)
            outputs.append(session.run(None, {"image": pixels})[0])
        return np.concatenate(outputs).astype(np.float64)

    agree = bool(np.allclose(ours(), peer(), atol=1e-6))
    own, bare = alternated(ours, peer, runs=3)
    return Result(
        name="audit: one shard in its child process",
        ours=own,
        peer=bare,
        peer_name="a bare onnxruntime loop",
        ratio=bare / own,
        goal=0.8,
        unit="s",
        n=f"{CASES} cases, {bare / CASES * 1000:.1f} ms of model a case",
        agree=agree,
    )


def whole_audit(folder: Path) -> Result:
    """All that an audit of 1,000 cases costs, and the part that is the model's own arithmetic.

    Processor seconds throughout, of one thread. Two shards of different length tell what a child
    costs to start from what a case costs; twenty shards of one worker are one child. The model's
    arithmetic is what the runtime's own call took in that same child, so that a slower moment of
    the machine slows both alike; of several runs, the one with the median share is told. As intake
    does, the program is kept as ONNX beside its weights; that is done once for a model, and not
    counted here. The pictures are PNG of 512 x 512. Statistics are those of the default protocol
    on as many outputs.
    """
    import torch

    from ml.engine.kept_onnx import keep
    from ml.engine.program_session import program_of

    manifest = ModelManifest.model_validate(
        {
            "name": NETWORK, "version": "1", "format": "pt2", "file": "model.pt2",
            "input": {"size": engine.SIDE, "colour": "rgb", "intensity": {"scale": 255}},
            "output": {"kind": "logits", "classes": ["a", "b", "c"], "activation": "softmax",
                       "positive": ["a"]},
        }
    )  # fmt: skip
    model = folder / "model.pt2"
    module, free = engine.built(NETWORK)[0].eval(), ({0: torch.export.Dim("batch")},)
    cases = torch.zeros(2, *manifest.input.shape)
    torch.export.save(torch.export.export(module, (cases,), dynamic_shapes=free), model)
    program = program_of(model, manifest)
    assert keep(model, program, manifest) is not None
    images = _pictures(folder / "pictures", max(SHARDS))
    statistics = min(_statistics_seconds(folder / str(turn)) for turn in range(2))
    runs = sorted(
        (_a_run(model, manifest, images, folder) for _ in range(RUNS)),
        key=lambda run: run.model / run.case,
    )
    return _result_of(runs[RUNS // 2], statistics)


@dataclass(frozen=True)
class _Run:
    """Processor seconds of a child."""

    start: float
    case: float
    model: float  # of a case, inside the runtime's own call


def _a_run(model: Path, manifest: ModelManifest, images: Sequence[Path], folder: Path) -> _Run:
    short, long = SHARDS
    few, many = (_shard_seconds(model, manifest, images[:n], folder) for n in SHARDS)
    case, arithmetic = ((many[at] - few[at]) / (long - short) for at in (0, 1))
    return _Run(few[0] - short * case, case, arithmetic)


def _result_of(run: _Run, statistics: float) -> Result:
    short, long = SHARDS
    whole = run.start + WHOLE * run.case + statistics
    return Result(
        name=f"audit: arithmetic of {NETWORK} in a whole audit",
        ours=whole,
        peer=WHOLE * run.model,
        peer_name="the model's own arithmetic",
        ratio=WHOLE * run.model / whole,
        goal=0.85,
        unit="s of the processor",
        n=f"{WHOLE} cases from shards of {short} and {long}: start of a child {run.start:.1f} s, "
        f"a case {1000 * run.case:.1f} ms of which the model {1000 * run.model:.1f}, "
        f"statistics {statistics:.1f} s",
        agree=True,
    )


def _pictures(folder: Path, n: int) -> list[Path]:
    """Smooth pictures with a little noise, named by their hash as stored ones are."""
    folder.mkdir()
    generator, named = np.random.default_rng(1), []
    for number in range(n):
        smooth = Image.fromarray(generator.integers(0, 256, (16, 16), dtype=np.uint8))
        wide = np.asarray(smooth.resize((512, 512), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = (wide + generator.integers(-3, 4, wide.shape)).clip(0, 255).astype(np.uint8)
        path = folder / f"{number}.png"
        Image.fromarray(noisy).save(path)
        named.append(path.rename(folder / file_sha256(path)))
    return named


def _shard_seconds(
    model: Path, manifest: ModelManifest, images: Sequence[Path], folder: Path
) -> tuple[float, float]:
    """Of a child that predicts these pictures, and of the runtime's own calls in it."""
    case_ids = [f"c{number}" for number in range(len(images))]
    with tempfile.TemporaryDirectory(dir=folder) as out:
        job = job_of_shard(
            PassPlan("predict", {"batch": BATCH, "runtime": "onnxruntime"}),
            model_path=model,
            manifest=manifest.model_dump(mode="json"),
            shard=case_ids,
            images={case: [path] for case, path in zip(case_ids, images, strict=True)},
            out_dir=Path(out),
        )
        inputs = json.dumps({"inputs": job.inputs, "out": out})
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = subprocess.run(
            [sys.executable, "-c", _CHILD], input=inputs, text=True, check=True,
            env=environment(os.environ), stdout=subprocess.PIPE,
        ).stdout  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return whole, float(said)


# The job as the sandbox's child does it, without its walls: of a process that is ended rather than
# waited for, and that is what becomes of a child, nobody learns the seconds.
_CHILD = """
import json, sys, time
from pathlib import Path
import onnxruntime
from ml.engine.predict import predict_job
from ml.sandbox.child import leave_pandas_out
from ml.sandbox.messages import Reporter
leave_pandas_out()
asked = json.load(sys.stdin)
said = Reporter(log=lambda line: None, progress=lambda done, total: None)
inside, run = [], onnxruntime.InferenceSession.run
def timed(*args, **named):
    began = time.thread_time()
    found = run(*args, **named)
    inside.append(time.thread_time() - began)
    return found
onnxruntime.InferenceSession.run = timed
assert predict_job(asked["inputs"], Path(asked["out"]), said)["failed"] == 0
print(sum(inside))
"""


def _statistics_seconds(folder: Path) -> float:
    """Joining the evidence and running every check of the default protocol."""
    reporter = Reporter(log=lambda line: None, progress=lambda done, total: None)
    folder.mkdir()
    made = cohort_folder(folder / "thousand", n=WHOLE, readers=1)
    (folder / "read").mkdir()
    read = read_cohort(made, folder / "read", reporter)
    catalogue = json.loads((folder / "read" / str(read["catalogue"])).read_bytes())
    model = yaml.safe_load((model_folder(folder / "shade") / "model.yaml").read_text())
    case_ids = [case["case_id"] for case in catalogue["cases"]]
    generator = np.random.default_rng(2)
    dark = np.array([case["label"] == "dark" for case in catalogue["cases"]])
    score = 1 / (1 + np.exp(-(generator.normal(size=len(dark)) + 1.5 * dark - 0.7)))
    outputs = outputs_table(case_ids, np.column_stack([score, 1 - score]).tolist(), {})
    protocol = Protocol.default()
    declared = ModelManifest.model_validate(model).model_dump(mode="json")

    def assess() -> None:
        found = evidence(catalogue, outputs=outputs, manifest=declared)
        run_checks(found, protocol, checks_of(protocol, catalogue["task"]))

    return seconds(assess, time.process_time)
