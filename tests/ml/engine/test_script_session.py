"""TorchScript: refused, allowed behind namespaces alone, and what hostile files get out of it."""

import json
import warnings

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from ml.cli.main import main
from ml.engine.plan import PREDICT, PassPlan, job_of_shard
from ml.engine.script_session import ScriptSession, open_script
from ml.engine.session import ModelError, open_session
from ml.evidence import store
from ml.intake.jobs import intake_model
from ml.intake.model_manifest import ModelManifest
from ml.intake.refusal import Refused
from ml.sandbox import levels
from ml.sandbox.messages import Job, Limits, Reporter
from ml.sandbox.parent import PROJECT_ROOT, run
from tests.ml.intake.build import MANIFEST, cohort_folder, merged

WALLS = ("limits", "landlock", "seccomp", "namespaces")
DECLARED = merged(
    MANIFEST,
    {
        "format": "torchscript",
        "file": "model.ts",
        "output": {"kind": "logits", "activation": "softmax"},
    },
)


def has_namespaces():
    try:
        return levels.choose("namespaces").level == "namespaces"
    except levels.Unavailable:
        return False


behind_namespaces = pytest.mark.skipif(not has_namespaces(), reason="needs bubblewrap")


class Plain(torch.nn.Module):
    """Class 0 gets 0, class 1 the mean of the picture."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, image):
        mean = self.drop(image.mean(dim=[1, 2, 3])) * self.scale
        return torch.stack([torch.zeros_like(mean), mean], 1)


class InADictionary(Plain):
    def forward(self, image):
        mean = image.mean(dim=[1, 2, 3]) * self.scale
        return {"other": mean, "scores": torch.stack([torch.zeros_like(mean), mean], 1)}


class InATuple(Plain):
    def forward(self, image):
        mean = image.mean(dim=[1, 2, 3]) * self.scale
        return torch.stack([torch.zeros_like(mean), mean], 1), mean


class WritesWhenCalled(Plain):
    def __init__(self, marker: str):
        super().__init__()
        self.marker = marker

    def forward(self, image):
        written = torch.from_file(self.marker, shared=True, size=4)
        written.fill_(1.0)
        mean = image.mean(dim=[1, 2, 3]) * self.scale + 0.0 * written.sum()
        return torch.stack([torch.zeros_like(mean), mean], 1)


class WritesWhenOpened(torch.nn.Module):
    def __init__(self, marker: str):
        super().__init__()
        self.marker = marker
        self.kept = torch.zeros(4)

    @torch.jit.export
    def __getstate__(self):
        return (self.marker, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]):
        self.marker = state[0]
        self.training = state[1]
        written = torch.from_file(self.marker, shared=True, size=4)
        written.fill_(1.0)
        self.kept = written  # what nobody reads is left out when it is compiled

    def forward(self, image):
        mean = image.mean(dim=[1, 2, 3]) + 0.0 * self.kept.sum()
        return torch.stack([torch.zeros_like(mean), mean], 1)


class NeverReturns(Plain):
    def forward(self, image):
        total = image.sum()
        while bool(total == total):
            total = total * 1.0
        return image


def script_folder(folder, module, *, trace=None, **changes):
    folder.mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own: it is deprecated
        made = torch.jit.trace(module, trace) if trace is not None else torch.jit.script(module)
        torch.jit.save(made, folder / "model.ts")
    (folder / "model.yaml").write_text(yaml.safe_dump(merged(DECLARED, changes)))
    return folder


def opened(folder, **changes) -> ScriptSession:
    manifest = ModelManifest.model_validate(merged(DECLARED, changes))
    return open_script(folder / "model.ts", manifest, allow=["torchscript"], walls=WALLS)


def intake(folder, out, *, isolation="auto", allow=("torchscript",), wall_seconds=60.0):
    out.mkdir()
    job = Job("intake-model", {"path": str(folder), "allow": list(allow)}, out)
    return run(job, limits=Limits(wall_seconds=wall_seconds, isolation=isolation))


def read_here(folder, out, **inputs):
    """Intake in this process, which says that namespaces stand around it."""
    out.mkdir()
    reporter = Reporter(log=lambda line: None, progress=lambda done, total: None, walls=WALLS)
    return intake_model({"path": str(folder), **inputs}, out, reporter)


CASES = np.random.default_rng(1).random((5, 1, 8, 8), dtype=np.float32)
MEANS = CASES.mean(axis=(1, 2, 3))


@pytest.mark.parametrize("module", [Plain(), InADictionary(), InATuple()])
def test_numbers_are_the_modules_at_rest(module, tmp_path):
    session = opened(script_folder(tmp_path / "m", module), output={"name": "scores"})
    first = session.run(CASES)
    assert np.allclose(first[:, 1], MEANS, atol=1e-6)
    for _ in range(3):  # no executor that changes its mind, no dropout
        assert np.array_equal(session.run(CASES), first)


def test_a_file_traced_with_one_case_is_run_case_by_case(tmp_path):
    class One(torch.nn.Module):
        def forward(self, image):
            return torch.stack([image.reshape(1, -1).mean(1) * 0, image.reshape(1, -1).mean(1)], 1)

    folder = script_folder(tmp_path / "m", One(), trace=torch.zeros(1, 1, 8, 8))
    session = opened(folder)
    assert session.fixed_batch == 1
    assert np.allclose(session.run(CASES)[:, 1], MEANS, atol=1e-6)
    assert np.allclose(session.run(CASES[::-1])[:, 1], MEANS[::-1], atol=1e-6)


def test_it_is_refused_unless_a_team_allows_it(tmp_path):
    marker = tmp_path / "marker"
    folder = script_folder(tmp_path / "m", WritesWhenOpened(str(marker)))
    with pytest.raises(Refused) as refused:
        read_here(folder, tmp_path / "out")
    (said,) = refused.value.refusals
    assert said.code == "pickle_refused"
    assert "torch.export.save" in said.message
    assert "An owner of a team can allow TorchScript" in said.message
    (folder / "model.yaml").unlink()
    with pytest.raises(Refused) as refused:
        read_here(folder, tmp_path / "lone")
    assert refused.value.refusals[0].code == "pickle_refused"
    with pytest.raises(Refused) as refused:  # allowed, and still not opened without a manifest
        read_here(folder, tmp_path / "allowed", allow=["torchscript"])
    assert refused.value.refusals[0].code == "manifest_missing"
    assert not marker.exists()


@pytest.mark.parametrize("name", ["model.pt", "model.ts"])
def test_a_pickled_checkpoint_stays_refused(name, tmp_path):
    folder = script_folder(tmp_path / "m", Plain(), file=name)
    (folder / "model.ts").unlink()
    torch.save({"weight": torch.zeros(3)}, folder / name)
    with pytest.raises(Refused) as refused:
        read_here(folder, tmp_path / "out", allow=["torchscript"])
    assert refused.value.refusals[0].code == "pickle_refused"


def test_no_other_door_opens_it(tmp_path):
    marker = tmp_path / "marker"
    folder = script_folder(tmp_path / "m", WritesWhenOpened(str(marker)))
    manifest = ModelManifest.model_validate(DECLARED)
    file = folder / "model.ts"
    with pytest.raises(ModelError):
        open_session(file, manifest)
    for allow, walls, code in (
        ([], WALLS, "pickle_refused"),
        (["torchscript"], WALLS[:-1], "isolation_required"),
        (["torchscript"], (), "isolation_required"),
    ):
        with pytest.raises(ModelError) as refused:
            open_script(file, manifest, allow=allow, walls=walls)
        assert refused.value.code == code
    assert not marker.exists()


@pytest.mark.parametrize("isolation", ["limits", "landlock"])
def test_weaker_walls_do_not_open_it(isolation, tmp_path):
    try:
        levels.choose(isolation)
    except levels.Unavailable as problem:
        pytest.skip(str(problem))
    marker = tmp_path / "marker"
    folder = script_folder(tmp_path / "m", WritesWhenOpened(str(marker)))
    outcome = intake(folder, tmp_path / "out", isolation=isolation)
    assert [refusal.code for refusal in outcome.refusals] == ["isolation_required"], outcome
    assert not marker.exists()


def test_the_hostile_files_do_write_where_nothing_holds_them(tmp_path):
    """So that the next test can fail."""
    for kind in (WritesWhenOpened, WritesWhenCalled):
        marker = tmp_path / kind.__name__
        opened(script_folder(tmp_path / f"{kind.__name__}-m", kind(str(marker)))).run(CASES)
        assert marker.exists()


@behind_namespaces
@pytest.mark.parametrize(
    ("kind", "where", "code"),
    [
        (WritesWhenOpened, "below /tmp", None),  # it has one of its own, which goes with it
        (WritesWhenOpened, "project", "model_unloadable"),
        (WritesWhenOpened, "input", "model_unloadable"),
        (WritesWhenCalled, "project", "model_failed"),
    ],
)
def test_behind_namespaces_no_marker_appears(kind, where, code, tmp_path):
    name = f"marker-of-{tmp_path.name}"
    targets = {
        "below /tmp": tmp_path / name,
        "project": PROJECT_ROOT / name,
        "input": tmp_path / "m" / "model.yaml",
    }
    target = targets[where]
    folder = script_folder(tmp_path / "m", kind(str(target)))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    try:
        outcome = intake(folder, tmp_path / "out")
        assert where == "input" or not target.exists()
    finally:
        (PROJECT_ROOT / name).unlink(missing_ok=True)
    assert outcome.isolation["level"] == "namespaces"
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    if code is None:
        assert outcome.state == "done", outcome
        notes = " ".join(outcome.result["card"]["notes"])
        assert "__setstate__, torch.from_file" in notes
    elif where == "project" and PROJECT_ROOT.is_relative_to("/tmp"):
        assert outcome.state == "done"  # its own /tmp lies over the project: nothing is left of it
    else:
        assert [refusal.code for refusal in outcome.refusals] == [code], outcome


@behind_namespaces
def test_an_audit_of_it_at_the_command_line(tmp_path):
    folder = script_folder(tmp_path / "m", Plain())
    cohort_folder(tmp_path / "cohort", n=12)
    (tmp_path / "protocol.yaml").write_text("checks: [discrimination]\ndraws: 200\n")
    words = ["audit", "--model", folder, "--cohort", tmp_path / "cohort"]
    words = [*map(str, words), "--protocol", str(tmp_path / "protocol.yaml")]
    assert main([*words, "--out", str(tmp_path / "out"), "--allow-torchscript"]) == 0
    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert document["engine"]["providers"] == ["TorchScript on cpu"]
    assert document["engine"]["isolation"]["level"] == "namespaces"
    measures = {row["id"]: row["value"] for row in document["checks"][0]["measures"]}
    assert measures["auroc"] == 1.0


@behind_namespaces
def test_a_shard_is_held_to_the_same_rules(tmp_path):
    folder = script_folder(tmp_path / "m", Plain())
    Image.new("L", (8, 8), 100).save(tmp_path / "picture.png")
    manifest = ModelManifest.model_validate(DECLARED).model_dump(mode="json")
    for at, (allow, isolation, code) in enumerate(
        (([], "auto", "pickle_refused"), (["torchscript"], "limits", "isolation_required"))
    ):
        out = tmp_path / f"out-{at}"
        out.mkdir()
        job = job_of_shard(
            PassPlan(PREDICT, {"batch": 8}),
            model_path=folder / "model.ts",
            manifest=manifest,
            shard=["one"],
            images={"one": [tmp_path / "picture.png"]},
            out_dir=out,
            allow=allow,
        )
        outcome = run(job, limits=Limits(wall_seconds=60, isolation=isolation))
        assert outcome.state == "crashed"
        assert code in outcome.reason


@behind_namespaces
def test_one_that_never_returns_ends_with_a_sentence(tmp_path):
    folder = script_folder(tmp_path / "m", NeverReturns())
    outcome = intake(folder, tmp_path / "out", wall_seconds=6.0)
    assert outcome.state == "timed_out"


def test_the_card_is_that_of_a_black_box(tmp_path):
    found = read_here(
        script_folder(tmp_path / "m", Plain()), tmp_path / "out", allow=["torchscript"]
    )
    card = found["card"]
    assert (card["gradients"], card["has_dropout"], card["parameters"]) == (False, False, 1)
    assert card["smoke"]["deterministic"]
    assert store.file_sha256(tmp_path / "out" / found["files"][0]["path"]) == found["sha256"]
