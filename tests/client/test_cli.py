"""`plumb` as it is typed: what it prints, what it keeps, how it ends."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plumb.cli import main

from portal.audits.models import Audit
from portal.audits.planning import move
from portal.audits.states import AuditState
from portal.intake.models import Upload
from portal.leases import WorkState
from portal.registry.actions import refuse_version
from portal.reports.actions import seal

Make = Callable[..., Any]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def sealed(team: Any, make_audit: Make) -> Callable[[str], Audit]:
    def make(verdict: str) -> Audit:
        audit: Audit = make_audit(team)
        move(audit, AuditState.WAITING, AuditState.RUNNING)
        seal(audit, {"verdict": verdict}, {"headline": {"verdict_sentence": "So it is."}})
        return audit

    return make


def test_login_keeps_the_token_for_its_owner_alone(
    home: Path, portal_url: str, secret: str, capsys: Captured
) -> None:
    assert main(["login", "--url", portal_url, "--token", secret]) == 0
    kept = home / "config" / "plumb" / "config.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text()) == {"url": portal_url, "token": secret}
    said = capsys.readouterr()
    assert "in Neuro (owner)" in said.out
    assert secret not in said.out + said.err
    assert main(["models", "list"]) == 0


def test_login_asks_for_the_token(
    home: Path, portal_url: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plumb.commands.getpass.getpass", lambda prompt: secret)
    assert main(["login", "--url", portal_url]) == 0


def test_a_token_that_does_not_work_is_not_kept(
    home: Path, portal_url: str, capsys: Captured
) -> None:
    assert main(["login", "--url", portal_url, "--token", "plb_wrong"]) == 2
    assert "live token" in capsys.readouterr().err
    assert not (home / "config" / "plumb").exists()


def test_nobody_is_signed_in(home: Path, capsys: Captured) -> None:
    assert main(["audits", "list"]) == 2
    assert "Sign in first" in capsys.readouterr().err


def test_the_environment_goes_before_the_file(
    home: Path, portal_url: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUMB_URL", portal_url)
    monkeypatch.setenv("PLUMB_TOKEN", secret)
    assert main(["cohorts", "list"]) == 0


@pytest.mark.usefixtures("signed_in")
class TestSignedIn:
    def test_a_push_that_does_not_wait(self, model_folder: Path, capsys: Captured) -> None:
        assert main(["models", "push", str(model_folder), "--no-wait"]) == 0
        assert str(Upload.objects.get().pk) in capsys.readouterr().out
        assert main(["cohorts", "push", str(model_folder), "--no-wait", "--no-seal"]) == 0
        assert Upload.objects.get(kind="cohort").seal is False

    def test_an_accepted_model_comes_with_its_verdict(
        self,
        team: Any,
        make_model_version: Make,
        model_folder: Path,
        capsys: Captured,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        smoke = {"cases": 2, "deterministic": True, "finite": True, "batch_difference": 0.5}
        version = make_model_version(team, card={"smoke": smoke, "gradients": True})

        def read(*_: Any) -> str:
            Upload.objects.update(state=WorkState.DONE, model_version=version)
            return "Reading"

        monkeypatch.setattr("plumb.commands._reading", read)
        monkeypatch.setattr("plumb.client.time.sleep", lambda seconds: None)
        assert main(["models", "push", str(model_folder)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].endswith(f"accepted: model {version.pk}")
        assert lines[1].startswith("Accepted. It holds nothing but tensors")
        assert lines[2].startswith("fail: Batch-mates do not matter: alone, or at another place")
        assert lines[2].endswith("must use its stored statistics.")
        assert any(line.startswith("not available: Dropout sampling: no dropout") for line in lines)
        assert not any("Finite outputs" in line for line in lines)

    def test_a_refusal_is_a_table(
        self, model_folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refusals = [
            {"code": "row_bad", "message": "The label is unknown.", "file": "cases.csv", "row": 7},
            {"code": "image_missing", "message": "It is gone.\nPut it back."},
        ]

        def read(*_: Any) -> str:
            Upload.objects.update(state=WorkState.DONE, refusals=refusals)
            return "Reading"

        monkeypatch.setattr("plumb.commands._reading", read)
        monkeypatch.setattr("plumb.client.time.sleep", lambda seconds: None)
        assert main(["cohorts", "push", str(model_folder)]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert "plumb: shade-net.zip was refused." in lines
        assert "row_bad        cases.csv, row 7  The label is unknown." in lines
        assert lines[-1] == 33 * " " + "Put it back."

    def test_a_refused_model_lists_what_lay_in_it(
        self, model_folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refusals = [{"code": "pickle_refused", "message": "It would run code.", "file": "w.pt"}]
        files = [{"name": "w.pt", "bytes": 2_000, "kind": "pickle", "use": "pickle_refused"}]

        def read(*_: Any) -> str:
            scan = {"files": files, "n_files": 1, "n_bytes": 2_000}
            upload = Upload.objects.get()
            version = refuse_version(
                team=upload.team,
                actor=upload.created_by,
                name="w",
                version="unread",
                refusals=refusals,
                scan=scan,
            )
            Upload.objects.update(state=WorkState.DONE, refusals=refusals, model_version=version)
            return "Reading"

        monkeypatch.setattr("plumb.commands._reading", read)
        monkeypatch.setattr("plumb.client.time.sleep", lambda seconds: None)
        assert main(["models", "push", str(model_folder)]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert "In the upload: 1 file, 2.0 kB" in lines
        assert lines[-1] == "w.pt  pickle      2.0 kB  pickle_refused"

    def test_a_protocol_from_a_file(self, tmp_path: Path, capsys: Captured) -> None:
        file = tmp_path / "protocol.yaml"
        file.write_text("title: Ours\nchecks: [discrimination]\n")
        assert main(["protocols", "push", str(file)]) == 0
        assert "Ours, version 1, locked" in capsys.readouterr().out
        file.write_text("limits: 3\nlevel: 7\n")
        assert main(["protocols", "push", str(file), "--name", "P"]) == 2
        said = capsys.readouterr().err
        assert "'limits' must be a list" in said
        assert main(["protocols", "push", str(tmp_path / "gone.yaml")]) == 2

    def test_starting(
        self, team: Any, make_cohort_version: Make, make_predictions: Make, capsys: Captured
    ) -> None:
        cohort, predictions = make_cohort_version(team), make_predictions(team)
        start = ["audits", "start", "--cohort", str(cohort.pk)]
        assert main([*start, "--predictions", str(predictions.pk), "--title", "T"]) == 0
        assert "A-0001 started, look 1" in capsys.readouterr().out
        assert Audit.objects.get().predictions == predictions
        assert main([*start, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["reference"] == "A-0002"
        with pytest.raises(SystemExit):
            main([*start, "--model", "a", "--predictions", "b"])

    def test_starting_with_foreign_cohorts(
        self, team: Any, make_cohort_version: Make, make_model_version: Make, capsys: Captured
    ) -> None:
        own, far, dev = (make_cohort_version(team, n=n) for n in (6, 4, 5))
        model = make_model_version(team)
        chosen = ["--cohort", str(own.pk), "--model", str(model.pk)]
        with pytest.raises(SystemExit):
            main(["audits", "start", *chosen, "--foreign", str(far.pk)])
        assert "near=ID, far=ID, shifted=ID" in capsys.readouterr().err
        chosen += ["--foreign", f"far={far.pk}", "--reference", str(dev.pk)]
        assert main(["audits", "start", *chosen, "--json"]) == 0
        rows = Audit.objects.get().further_cohorts.order_by("position")
        assert [(row.cohort_version, row.role, row.kind) for row in rows] == [
            (far, "foreign", "far"), (dev, "reference", ""),
        ]  # fmt: skip

    @pytest.mark.parametrize(("verdict", "code"), [("pass", 0), ("caution", 0), ("fail", 1)])
    def test_watching_ends_with_the_verdict(
        self, sealed: Callable[[str], Audit], verdict: str, code: int, capsys: Captured
    ) -> None:
        audit = sealed(verdict)
        assert main(["audits", "watch", str(audit.pk)]) == code
        out = capsys.readouterr().out
        assert f"A-0001 sealed: {verdict}" in out
        assert audit.report.get_absolute_url() in out

    def test_watching_what_stopped_is_no_success(
        self, team: Any, make_audit: Make, capsys: Captured
    ) -> None:
        audit = make_audit(team)
        assert main(["audits", "stop", str(audit.pk)]) == 0
        assert main(["audits", "watch", str(audit.pk)]) == 2
        assert main(["audits", "resume", str(audit.pk)]) == 0
        assert main(["audits", "resume", str(audit.pk)]) == 2
        assert "cannot go from waiting to waiting" in capsys.readouterr().err

    def test_a_report_by_its_id_or_its_audit_s(
        self, sealed: Callable[[str], Audit], tmp_path: Path, capfdbinary: Any
    ) -> None:
        audit = sealed("pass")
        out = tmp_path / "audit.json"
        assert main(["reports", "get", str(audit.pk), "--out", str(out)]) == 0
        assert out.read_bytes() == b'{"verdict":"pass"}'
        capfdbinary.readouterr()
        assert main(["reports", "get", str(audit.report.pk)]) == 0
        assert capfdbinary.readouterr().out == b'{"verdict":"pass"}'
        assert main(["reports", "get", str(audit.pk), "--out", str(tmp_path / "no" / "x")]) == 2

    @pytest.mark.parametrize(
        "noun", ["models", "cohorts", "predictions", "protocols", "audits", "reports"]
    )
    def test_lists(self, noun: str, sealed: Callable[[str], Audit], capsys: Captured) -> None:
        sealed("pass")
        assert main([noun, "list"]) == 0
        assert capsys.readouterr().out.startswith("ID")
        assert main([noun, "list", "--json"]) == 0
        assert isinstance(json.loads(capsys.readouterr().out), list)
