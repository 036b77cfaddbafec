"""From model.yaml to numbers: a child without a network, a caller with one, a server here."""

import json
from dataclasses import replace

import pytest
import yaml
from PIL import Image

from ml.cli.main import main
from ml.engine.linked import link_of_shard
from ml.engine.passes import CORRUPT, PASSES
from ml.engine.plan import PREDICT, PassPlan, job_of_shard
from ml.evidence import store
from tests.ml.endpoint.folders import (
    MANIFEST,
    endpoint_folder,
    in_child,
    in_process,
    intake,
    model,
    policy_for,
)
from tests.ml.endpoint.server import serving
from tests.ml.intake.build import cohort_folder

TOKEN = "a-secret-that-nobody-may-see"


@pytest.fixture
def server():
    with serving(model()) as (served, url):
        yield served, url


@pytest.fixture
def accepted(server, tmp_path):
    """(served model, its url, what intake gave, folder of intake)."""
    served, url = server
    folder = endpoint_folder(tmp_path / "model", url)
    outcome = intake(folder, tmp_path / "out", policy_for(url))
    assert outcome.state == "done", outcome
    return served, url, outcome.result, tmp_path / "out"


def predict(accepted, tmp_path, cases=5, policy=None, where=in_process):
    """One shard of pictures whose shades are 0, 10, 20, ... of 255."""
    _, url, result, out = accepted
    pictures = tmp_path / "pictures"
    pictures.mkdir(exist_ok=True)
    names = [f"case-{at}" for at in range(cases)]
    for at, name in enumerate(names):
        Image.new("L", (8, 8), 10 * at).save(pictures / f"{name}.png")
    shard = tmp_path / "shard"
    shard.mkdir(exist_ok=True)
    job = job_of_shard(
        PassPlan(PREDICT, {"batch": 4}),
        model_path=out / result["files"][0]["path"],
        manifest=result["manifest"],
        shard=names,
        images={name: [pictures / f"{name}.png"] for name in names},
        out_dir=shard,
    )
    with link_of_shard(
        result["manifest"], PREDICT, {"batch": 4}, cases, policy or policy_for(url)
    ) as link:
        outcome = where(job, link)
    data = shard / "predict.parquet"
    return outcome, store.rows(data.read_bytes()) if outcome.state == "done" else []


def test_an_endpoint_is_accepted_as_a_black_box(accepted):
    served, url, result, out = accepted
    card = result["card"]
    assert (card["format"], card["gradients"], card["has_dropout"]) == ("endpoint", False, False)
    assert card["smoke"]["deterministic"]
    assert card["inputs"] == [{"name": "image", "dtype": "FP32", "shape": [None, 1, 8, 8]}]
    assert card["endpoint"]["model_version"] == "1"
    stored = json.loads((out / result["files"][0]["path"]).read_bytes())
    assert stored["url"] == url
    assert stored["model_version"] == "1"
    assert served.cases == [2, 2, 1, 1, 2]
    assert result["manifest"]["endpoint"]["most_cases"] == 8


def test_a_manifest_by_itself_under_any_name_is_enough(server, tmp_path):
    _, url = server
    folder = endpoint_folder(tmp_path / "model", url)
    lone = (folder / "model.yaml").rename(tmp_path / f"{'0' * 64}.yaml")
    outcome = intake(lone, tmp_path / "out", policy_for(url))
    assert outcome.state == "done", outcome
    text = lone.read_text().replace("format: endpoint", "format: onnx")
    lone.write_text(text.replace(f"url: {url}", "file: model.onnx"))
    refused = intake(lone, tmp_path / "refused", policy_for(url))
    assert [refusal.code for refusal in refused.refusals] == ["file_missing"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"file": "model.onnx"}, "has no file"),
        ({"endpoint": None}, "belong to the format endpoint"),
        ({"url": None}, "belong to the format endpoint"),
        ({"endpoint": {"model": "../other"}}, "endpoint.model"),
        ({"endpoint": {"model": "cxr", "version": "1/infer"}}, "endpoint.version"),
        ({"endpoint": {"model": "cxr", "token": "x"}}, "not a known key"),
        ({"format": "onnx", "file": "model.onnx"}, "belong to the format endpoint"),
    ],
)
def test_manifests_that_say_something_else(server, tmp_path, change, problem):
    served, url = server
    folder = tmp_path / "model"
    folder.mkdir()
    manifest = {name: value for name, value in (MANIFEST | {"url": url} | change).items() if value}
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    outcome = intake(folder, tmp_path / "out", policy_for(url))
    assert {refusal.code for refusal in outcome.refusals} == {"manifest_invalid"}
    assert problem in " ".join(refusal.message for refusal in outcome.refusals)
    assert served.requests == []


def test_numbers_of_a_shard_are_those_of_the_server(accepted, tmp_path):
    served, url, *_ = accepted
    served.cases.clear()
    outcome, rows = predict(accepted, tmp_path, where=in_child)
    assert outcome.state == "done", outcome
    assert served.cases == [4, 1]
    for at, (_, outputs, error) in enumerate(rows):
        assert error == ""
        assert outputs == [0.0, pytest.approx(10 * at / 255, abs=1e-7)]
    runtime = outcome.result["runtime"]["endpoint"]
    assert runtime["model_version"] == "1"
    assert runtime["host"] == url.partition("//")[2]
    assert runtime["requests"] == 2
    assert runtime["began"] <= runtime["ended"]
    assert outcome.result["reusable"]


def test_no_more_cases_at_once_than_declared(server, tmp_path):
    served, url = server
    folder = endpoint_folder(tmp_path / "model", url, endpoint={"model": "cxr", "most_cases": 3})
    result = intake(folder, tmp_path / "out", policy_for(url)).result
    served.cases.clear()
    outcome, rows = predict((served, url, result, tmp_path / "out"), tmp_path)
    assert served.cases == [3, 1, 1]
    assert len(rows) == 5
    assert outcome.state == "done"


def test_without_a_version_nothing_is_reused(server, tmp_path):
    served, url = server
    served.versions, served.answers_version = (), None
    folder = endpoint_folder(tmp_path / "model", url)
    result = intake(folder, tmp_path / "out", policy_for(url)).result
    assert result["card"]["endpoint"]["model_version"] is None
    outcome, rows = predict((served, url, result, tmp_path / "out"), tmp_path)
    assert len(rows) == 5
    assert outcome.result["reusable"] is False


CHANGES = {
    "version of the answers": {"answers_version": "2"},
    "no version any more": {"answers_version": None, "versions": ()},
    "platform": {"change": {"platform": "other"}},
    "outputs": {"change": {"outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 3]}]}},
    "name": {"change": {"name": "other"}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_model_than_was_accepted(accepted, tmp_path, change):
    for name, value in CHANGES[change].items():
        setattr(accepted[0], name, value)
    outcome, _ = predict(accepted, tmp_path)
    assert outcome.state == "crashed"
    assert "endpoint_changed" in outcome.reason


def test_a_version_that_changes_midway(accepted, tmp_path):
    served = accepted[0]
    served.lie = lambda answer: answer | {"model_version": "1" if len(served.cases) < 4 else "2"}
    outcome, _ = predict(accepted, tmp_path)
    assert "endpoint_changed" in outcome.reason


def test_a_case_it_cannot_take_costs_no_other(accepted, tmp_path):
    served = accepted[0]
    served.cases.clear()
    # The batch of four fails, then the second of its cases alone.
    served.troubles = _Script([500, None, 500, None, None, None])
    outcome, rows = predict(accepted, tmp_path)
    assert outcome.state == "done", outcome
    assert [error for *_, error in rows] == ["", "endpoint_failed", "", "", ""]
    assert [outputs is None for _, outputs, _ in rows] == [False, True, False, False, False]
    assert outcome.result["failed"] == 1


class _Script:
    """Troubles in an order; None is none."""

    def __init__(self, statuses):
        self.statuses = statuses

    def __bool__(self):
        if self.statuses and self.statuses[0] is None:
            self.statuses.pop(0)
            return False
        return bool(self.statuses)

    def pop(self, _):
        return self.statuses.pop(0), {}


def test_an_endpoint_that_fails_on_everything_fails_the_shard(accepted, tmp_path):
    accepted[0].troubles = [(500, {})] * 100
    outcome, _ = predict(accepted, tmp_path, cases=20)
    assert outcome.state == "crashed"
    assert "endpoint_failed" in outcome.reason
    assert len(accepted[0].troubles) == 100 - 20  # four batches of four, and 16 cases alone


def test_numbers_that_are_none_are_the_cases_error(accepted, tmp_path):
    def lie(answer):
        answer["outputs"][0]["data"][1] = float("nan")
        return answer

    accepted[0].lie = lie
    _, rows = predict(accepted, tmp_path)
    assert [error for *_, error in rows] == ["non_finite_output", "", "", "", "non_finite_output"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"troubles": [(503, {})] * 9}, "endpoint_busy"),
        ({"troubles": [(302, {"Location": "http://169.254.169.254/"})]}, "endpoint_protocol"),
        ({"troubles": [(500, {})] * 9}, "endpoint_failed"),
        ({"shape": (-1, 3, 8, 8)}, "model_shape"),
        ({"datatype": "FP64"}, "model_shape"),
        ({"raw": b" " * 3_000_000}, "endpoint_protocol"),
    ],
)
def test_what_intake_refuses(server, tmp_path, change, code):
    served, url = server
    for name, value in change.items():
        setattr(served, name, value)
    outcome = intake(endpoint_folder(tmp_path / "model", url), tmp_path / "out", policy_for(url))
    assert outcome.state == "refused", outcome
    assert [refusal.code for refusal in outcome.refusals] == [code]


def test_addresses_inside_are_refused_at_intake(server, tmp_path):
    served, url = server
    for at, address in enumerate((url, "https://10.0.0.1", "https://user:x@example.org")):
        folder = endpoint_folder(tmp_path / f"model-{at}", address)
        policy = replace(policy_for(url), allowed=())
        outcome = intake(folder, tmp_path / f"out-{at}", policy)
        assert [refusal.code for refusal in outcome.refusals] == ["endpoint_refused"]
    assert served.requests == []


def test_a_team_that_may_not_call_anybody(server, tmp_path):
    served, url = server
    policy = replace(policy_for(url), refusal="An owner of the team allows it in its settings.")
    outcome = intake(endpoint_folder(tmp_path / "model", url), tmp_path / "out", policy)
    assert outcome.refusals[0].code == "endpoint_refused"
    assert "owner" in outcome.refusals[0].message
    assert served.requests == []


def test_the_token_goes_to_the_server_and_nowhere_else(server, tmp_path):
    served, url = server
    policy = replace(policy_for(url), token=lambda host: TOKEN if host == "127.0.0.1" else "")
    folder = endpoint_folder(tmp_path / "model", url)
    outcome = intake(folder, tmp_path / "out", policy, in_child)
    assert outcome.state == "done"
    found = (served, url, outcome.result, tmp_path / "out")
    shard, _ = predict(found, tmp_path, policy=policy, where=in_child)
    assert all(headers["Authorization"] == f"Bearer {TOKEN}" for *_, headers in served.requests)
    assert TOKEN not in repr(outcome) + repr(shard)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path


def test_an_audit_at_the_command_line(server, tmp_path, monkeypatch, capsys):
    served, url = server
    monkeypatch.setenv("ENDPOINT_ALLOWED_HOSTS", url)
    monkeypatch.setenv("ENDPOINT_TOKEN_127_0_0_1", TOKEN)
    endpoint_folder(tmp_path / "model", url)
    cohort_folder(tmp_path / "cohort", n=60)
    (tmp_path / "protocol.yaml").write_text("checks: [discrimination]\ndraws: 200\n")
    words = ["audit", "--model", tmp_path / "model", "--cohort", tmp_path / "cohort"]
    words += ["--protocol", tmp_path / "protocol.yaml", "--out", tmp_path / "out"]

    assert main([*map(str, words)]) == 0

    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    measures = {row["id"]: row["value"] for row in document["checks"][0]["measures"]}
    assert measures["auroc"] == 1.0
    assert document["engine"]["device"] == "remote"
    assert document["engine"]["endpoint"]["model_version"] == "1"
    assert document["engine"]["endpoint"]["host"] == url.partition("//")[2]
    assert TOKEN not in capsys.readouterr().err + json.dumps(document)
    assert served.requests[-1][2]["Authorization"] == f"Bearer {TOKEN}"
    asked = len(served.requests)
    assert main([*map(str, words)]) == 0
    posts = [path for method, path, _ in served.requests[asked:] if method == "POST"]
    assert len(posts) == 5  # of intake's trial: the shards are found under their key


def test_the_address_is_part_of_what_evidence_is_found_under(accepted, tmp_path):
    served, _, result, _ = accepted
    with serving(served) as (_, other):
        folder = endpoint_folder(tmp_path / "other", other)
        second = intake(folder, tmp_path / "second", policy_for(other)).result
    assert second["sha256"] != result["sha256"]
    stored = [path.name for path in (tmp_path / "second" / "files").iterdir()]
    assert stored == [second["sha256"]]


def test_corruptions_are_asked_for_within_what_the_pass_declares(accepted, tmp_path):
    served, url, result, out = accepted
    params = PASSES[CORRUPT].params
    picture = tmp_path / "picture.png"
    Image.new("L", (8, 8), 100).save(picture)
    shard = tmp_path / "corrupted"
    shard.mkdir()
    job = job_of_shard(
        PassPlan(CORRUPT, params),
        model_path=out / result["files"][0]["path"],
        manifest=result["manifest"],
        shard=["one"],
        images={"one": [picture]},
        out_dir=shard,
    )
    served.cases.clear()
    with link_of_shard(result["manifest"], CORRUPT, params, 1, policy_for(url)) as link:
        outcome = in_process(job, link)
    assert outcome.state == "done", outcome
    assert outcome.result["failed"] == 0
    rows = PASSES[CORRUPT].form(params, 2).rows
    assert sum(served.cases) == rows == link.left
    served.troubles = [(500, {})]
    with link_of_shard(result["manifest"], CORRUPT, params, 1, policy_for(url)) as link:
        outcome = in_process(job, link)
    assert outcome.reason == "The model gives nothing for 1 cases of a batch. (endpoint_failed)"
