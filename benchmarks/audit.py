"""What the audit's way of running a model costs beside the bare runtime."""

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import yaml
from PIL import Image

from benchmarks.measuring import Result, alternated
from ml.engine.plan import PassPlan, job_of_shard
from ml.evidence.store import file_sha256, output_columns, table
from ml.intake.model_manifest import ModelManifest
from ml.sandbox.parent import run as run_job
from ml.zoo.shades import SIZE, cohort_folder, model_folder

CASES, BATCH = 200, 8


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        return [shard_against_bare_runtime(Path(folder))]


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
