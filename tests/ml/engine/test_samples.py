"""Several answers to every case: the same whatever the batch, the shard and the worker."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from ml.engine.cases import Case, prepare_case
from ml.engine.corrupt_samples import corrupt_samples_job
from ml.engine.dropout import in_torch_order, seeded
from ml.engine.dropout_session import DropoutSession, open_dropout
from ml.engine.ensemble import open_model
from ml.engine.samples import MemberSampler, samples, samples_job
from ml.engine.sampling import samples_params, seconds_of_samples, why_no_samples
from ml.engine.session import ModelError, open_session
from ml.evidence.checked import check_samples
from ml.evidence.sampled_copies import sampled_copies_of
from ml.evidence.store import EvidenceError, samples_table, table
from ml.imaging.intensity import unit_range
from ml.intake.model_manifest import ModelManifest
from ml.protocol import Protocol, ProtocolError
from ml.sandbox.messages import Job
from ml.sandbox.parent import run
from tests.ml.imaging.test_mask import nifti
from tests.ml.intake.build import MANIFEST, QUIET, merged, model_folder
from tests.ml.intake.ensembles import ensemble_folder
from tests.ml.intake.exported import (
    DOUBTFUL,
    Doubtful,
    doubtful,
    doubtful_folder,
    exported_folder,
)
from tests.ml.intake.test_model import read

ALLOWED = ModelManifest.model_validate(DOUBTFUL)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Seven cases; the fourth is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(5)
    for number in range(7):
        pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"c{number}.png")
    (folder / "c3.png").write_bytes(b"no picture")
    return [
        {"case_id": f"c{number}", "images": [str(folder / f"c{number}.png")]} for number in range(7)
    ]


def job(cases, manifest=DOUBTFUL, path=None, **changes):
    asked = {"kind": "dropout", "samples": 5, "seed": 3, "batch": 4}
    model = {"path": str(path or doubtful()), "manifest": manifest}
    return {"model": model, "cases": cases, "threads": 1, "device": "cpu", **asked, **changes}


def sampled(cases, tmp_path, **changes):
    """Case id -> (t, k) of a job in this process, None of a case that failed."""
    result = samples_job(job(cases, **changes), tmp_path, QUIET)
    found = table((tmp_path / result["table"]).read_bytes()).to_pylist()
    rows = {}
    for row in found:
        outputs = None if row["error"] else [row["output_0"], row["output_1"]]
        rows.setdefault(row["case_id"], []).append(outputs)
    return {name: None if None in own else np.array(own) for name, own in rows.items()}


def test_samples_are_those_of_seed_case_and_number_whatever_is_computed_beside(pictures, tmp_path):
    whole = sampled(pictures, tmp_path)
    assert whole.pop("c3") is None
    shards = sampled(pictures[:2], tmp_path) | sampled(pictures[2:], tmp_path)
    alone = {
        name: rows for case in pictures for name, rows in sampled([case], tmp_path, batch=1).items()
    }
    turned = sampled(pictures[::-1], tmp_path, batch=7)
    fewer = sampled(pictures, tmp_path, samples=2)
    other = sampled(pictures, tmp_path, seed=4)

    for name, rows in whole.items():
        assert rows.shape == (5, 2)
        assert rows.std(axis=0).min() > 1e-3
        for others in (shards, alone, turned):
            assert others[name] == pytest.approx(rows, abs=1e-5), name
        assert fewer[name] == pytest.approx(rows[:2], abs=1e-5)
        assert np.abs(other[name] - rows).max() > 1e-3


def test_two_workers_leave_the_same_bytes(pictures, tmp_path):
    hashes = []
    for number in range(2):
        out = tmp_path / f"out{number}"
        out.mkdir()
        outcome = run(Job("samples", job(pictures, threads=number + 1), out))
        assert outcome.state == "done", outcome.reason
        hashes.append(outcome.result["sha256"])
        assert (outcome.result["failed"], outcome.result["reusable"]) == (1, True)
    assert outcome.result["runtime"]["providers"][0].endswith("program on cpu")
    assert outcome.result["runtime"]["dropout_sites"] == 2
    assert hashes[0] == hashes[1]


def opened(**changes):
    found = open_dropout(doubtful(), ALLOWED, samples=6, seed=1)
    return DropoutSession(**{**vars(found), **changes})


def test_batch_normalisation_stays_at_rest_while_dropout_drops():
    """The samples are the module's with its dropout parts in training, and nothing else."""
    module = Doubtful().eval()
    cases = torch.rand((3, 1, 8, 8), generator=torch.Generator().manual_seed(9))
    keys = ["a", "b", "c"]
    session = opened(draw=in_torch_order)
    before = {name: one.clone() for name, one in session.sampler.trunk.weights.items()}

    torch.manual_seed(2)
    found = session.sample(cases.numpy(), keys)

    for part in (module.drop, module.drop_more):
        part.train()
    torch.manual_seed(2)
    with torch.no_grad():
        expected = torch.stack([module(cases) for _ in range(6)]).double().numpy()
    assert found == pytest.approx(expected, abs=1e-5)
    for name, one in session.sampler.trunk.weights.items():
        assert torch.equal(one, before[name])
    # A network wholly in training normalises by the batch, and gives other numbers.
    module.train()
    torch.manual_seed(2)
    with torch.no_grad():
        assert np.abs(module(cases).numpy() - expected[0]).max() > 0.01


def test_where_nothing_is_dropped_a_sample_is_the_answer_at_rest():
    def nothing(sample, keys, sites):
        del sample
        return [
            torch.ones([n * len(keys) if at == one.axis else n for at, n in enumerate(one.shape)])
            for one in sites
        ]

    cases = np.random.default_rng(0).random((3, 1, 8, 8), dtype=np.float32)
    at_rest = open_session(doubtful(), ALLOWED).run(cases)

    found = opened(draw=nothing).sample(cases, ["a", "b", "c"])

    assert found == pytest.approx(np.stack([at_rest] * 6), abs=1e-6)


def test_members_are_the_samples_of_an_ensemble(pictures, tmp_path):
    result = read(ensemble_folder(tmp_path / "m"), tmp_path)
    path = tmp_path / "out" / "files" / result["sha256"]
    manifest = ModelManifest.model_validate(result["manifest"])
    found = sampled(
        pictures, tmp_path, manifest=result["manifest"], path=path, kind="members", samples=3
    )

    session = open_model(path, manifest)
    cases = np.random.default_rng(1).random((2, 1, 8, 8), dtype=np.float32)
    assert session.each(cases).shape == (3, 2, 2)
    assert MemberSampler(session).sample(cases, ["a", "b"]).mean(axis=0) == pytest.approx(
        session.run(cases)
    )
    assert found["c3"] is None
    assert found["c0"].shape == (3, 2)
    assert np.ptp(found["c0"], axis=0).min() > 1e-3
    with pytest.raises(ModelError, match="no ensemble of 4 members"):
        sampled(pictures, tmp_path, manifest=result["manifest"], path=path, kind="members",
                samples=4)  # fmt: skip


def test_one_answer_that_is_no_number_costs_the_case_alone(pictures):
    class Breaks:
        runtime_json = {}

        def sample(self, batch, keys):
            values = np.zeros((3, len(keys), 2))
            values[1, keys.index("c1")] = np.nan
            return values

    asked = [type("Case", (), {"case_id": f"c{n}", "images": (Path(pictures[n]["images"][0]),)})
             for n in range(3)]  # fmt: skip

    found = samples(Breaks(), ALLOWED.input, asked, 4, QUIET)

    assert found.errors == {"c1": "non_finite_output"}
    assert set(found.rows) == {"c0", "c2"}


@pytest.mark.parametrize(
    ("make", "changes", "why"),
    [
        (doubtful_folder, {}, ""),
        (ensemble_folder, {}, ""),
        (doubtful_folder, {"dropout": None}, "'dropout: allowed'"),
        (doubtful_folder, {"static": True}, "a fixed number of cases"),
        (exported_folder, {"dropout": "allowed"}, ""),
        (model_folder, {}, "has lost its dropout"),
        (model_folder, {"dropout": "allowed"}, "holds no dropout"),
    ],
)
def test_intake_says_whether_a_model_can_be_sampled_and_the_way_out(make, changes, why, tmp_path):
    result = read(make(tmp_path / "m", **changes), tmp_path)

    reason = why_no_samples(result["manifest"], result["card"])

    assert why in reason
    assert (reason == "") == (why == "")
    params = samples_params(Protocol.default(), result["manifest"], result["card"])
    assert (params is None) == bool(why)
    if make is ensemble_folder:
        assert params == {"kind": "members", "samples": 3}  # no seed: it would make new keys
    elif not why:
        assert params == {"kind": "dropout", "samples": 30, "seed": Protocol.default().seed}
        seconds = seconds_of_samples(60, result["card"])
        assert seconds == pytest.approx(2 * result["card"]["sampling"]["seconds_per_case"])


def test_a_site_that_drops_nothing_or_all_is_none(tmp_path):
    class Never(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.never, self.always = torch.nn.Dropout(0.0), torch.nn.Dropout(1.0)

        def forward(self, image):
            seen = self.never(image.mean((2, 3)))
            return torch.cat([seen, seen + 0 * self.always(seen)], 1)

    path = tmp_path / "never.pt2"
    free = ({0: torch.export.Dim("batch")},)
    torch.export.save(
        torch.export.export(Never().train(), (torch.zeros((2, 1, 8, 8)),), dynamic_shapes=free),
        path,
    )

    with pytest.raises(ModelError) as caught:
        open_dropout(path, ALLOWED, samples=2, seed=1)
    assert caught.value.code == "dropout_unavailable"


def test_dropout_that_changes_nothing_is_told_at_intake(tmp_path, monkeypatch):
    monkeypatch.setattr("ml.engine.smoke._sampled", lambda *_: (np.ones((30, 2, 2)), 1.0))

    card = read(exported_folder(tmp_path / "m", dropout="allowed"), tmp_path)["card"]

    assert card["sampling"]["works"] is False
    assert "as it does at rest" in card["sampling"]["reason"]


def test_an_older_card_and_a_black_box_are_not_sampled():
    manifest = merged(MANIFEST, {"dropout": "allowed"})
    assert "before its dropout could be sampled" in why_no_samples(manifest, {"has_dropout": True})
    black_box = {"sampling": {"works": False, "reason": "Run as a black box, it cannot."}}
    assert "'format: ensemble'" in why_no_samples(manifest, black_box)


@pytest.mark.parametrize(
    ("kind", "why"), [("endpoint", "stays at its address"), ("torchscript", "a black box")]
)
def test_of_what_nobody_can_see_into_nothing_is_claimed(kind, why):
    reason = why_no_samples({"format": kind}, {})

    assert why in reason
    assert "has no dropout" not in reason
    assert "'format: ensemble'" in reason


SAMPLED = {"a": [[0.1, 0.9]] * 3, "c": [[0.2, 0.8]] * 3}


def test_a_table_of_samples_is_held_against_what_was_asked(tmp_path):
    def written(content):
        from ml.evidence.store import write_table

        write_table(content, tmp_path / "t")
        return (tmp_path / "t").read_bytes()

    good = samples_table(["a", "b", "c"], SAMPLED, {"b": "no_image"}, 2)
    check_samples(written(good), ["a", "b", "c"], 2, 3)
    rows = good.to_pylist()
    assert [row["sample"] for row in rows] == [0, 1, 2, None, 0, 1, 2]
    for content, samples_asked, why in (
        (good, 4, "its cases and samples"),
        (good, 2, "7 rows"),
        (good.slice(0, 6), 3, "its cases and samples"),
        (good.take([1, 0, 2, 3, 4, 5, 6]), 3, "its cases and samples"),
        (good.take([4, 5, 6, 3, 0, 1, 2]), 3, "its cases and samples"),
        (good.drop_columns(["sample"]), 3, "its columns"),
        (good.append_column("more", good["sample"]), 3, "further columns"),
    ):
        with pytest.raises(EvidenceError, match=why):
            check_samples(written(content), ["a", "b", "c"], 2, samples_asked)


def test_the_protocol_says_how_many_samples():
    assert Protocol.default().dropout_samples == 30
    assert "dropout_samples" not in Protocol.default().to_json()
    changed = Protocol.parse({"dropout_samples": 50})
    assert changed.to_json()["dropout_samples"] == 50
    assert changed.sha256 != Protocol.parse({}).sha256
    assert Protocol.parse({"dropout_samples": 30}).sha256 == Protocol.parse({}).sha256
    for wrong in (3, 201, "many", 8.5):
        with pytest.raises(ProtocolError):
            Protocol.parse({"dropout_samples": wrong})


class OfVolumes(torch.nn.Module):
    """A classifier of volumes with dropout of channels and of features."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.conv, self.norm = torch.nn.Conv3d(1, 6, 3, padding=1), torch.nn.BatchNorm3d(6)
        self.drop, self.more = torch.nn.Dropout3d(0.3), torch.nn.Dropout(0.4)
        self.head = torch.nn.Linear(6, 2)
        self.norm.running_var.fill_(0.3)

    def forward(self, volume):
        seen = torch.relu(self.drop(self.norm(self.conv(volume))))
        return self.head(self.more(seen.mean((2, 3, 4))))


def test_a_classifier_of_volumes_is_sampled_as_one_of_pictures(tmp_path):
    """From hand-in to a table of the same form; the samples are those of the plain loop."""
    module, sides, folder = OfVolumes().eval(), (8, 6, 4), tmp_path / "m"
    folder.mkdir()
    free = ({0: torch.export.Dim("batch")},)
    example = torch.zeros((2, 1, *sides))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        program = torch.export.export(module, (example,), dynamic_shapes=free)
        torch.export.save(program, folder / "model.pt2")
    given = {"dims": 3, "size": list(sides), "resize": {"mode": "nearest", "antialias": "none"}}
    manifest = merged(DOUBTFUL, {"input": given})
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    result = read(folder, tmp_path)
    assert why_no_samples(result["manifest"], result["card"]) == ""
    cases = []
    for number in range(3):
        volume = np.random.default_rng(number).integers(0, 256, sides, dtype=np.uint8)
        (tmp_path / f"c{number}").write_bytes(nifti(volume))
        cases.append({"case_id": f"c{number}", "images": [str(tmp_path / f"c{number}")]})
    path = folder / "model.pt2"

    found = sampled(cases, tmp_path, manifest=result["manifest"], path=path)
    alone = sampled(cases[1:2], tmp_path, manifest=result["manifest"], path=path)

    declared = ModelManifest.model_validate(result["manifest"])
    sites = open_dropout(path, declared, samples=5, seed=3).sampler.sites
    case = prepare_case(Case("c1", (tmp_path / "c1",)), declared.input)

    def by_hand(array, sample):
        channels, features = seeded(3)(sample, ["c1"], sites)
        seen = module.norm(module.conv(torch.from_numpy(array[None])))
        pooled = torch.relu(seen * channels).mean((2, 3, 4)) * features
        return module.head(pooled)[0].tolist()

    for sample, row in enumerate(found["c1"]):
        assert row == pytest.approx(by_hand(case, sample), abs=1e-5)
    assert alone["c1"] == pytest.approx(found["c1"], abs=1e-5)
    assert found["c1"].std(axis=0).min() > 1e-3
    # So are its corrupted copies: the same masks on each.
    asked = job(cases, manifest=result["manifest"], path=path) | {
        "corruptions": ["gamma"], "seed": 1, "batch": 2,
        "sampled": {"kind": "dropout", "samples": 5, "seed": 3},
    }  # fmt: skip
    made = corrupt_samples_job(asked, tmp_path, QUIET)
    ids = ["c0", "c1", "c2"]
    copies = sampled_copies_of(table((tmp_path / made["table"]).read_bytes()), ids)
    gain, offset = (one.item() for one in unit_range(declared.input))
    dark = (((case - offset) / gain) ** 2.6 * gain + offset).astype(np.float32)
    for sample in range(5):
        assert copies.outputs[1, 0, sample] == pytest.approx(found["c1"][sample], abs=1e-5)
        assert copies.outputs[1, 5, sample] == pytest.approx(by_hand(dark, sample), abs=1e-5)
