"""The demonstration itself: a portal with two teams, real data handed in, real audits run.

It hands in and starts audits through the same actions as pages and API, and lets the launcher's
worker do the work.
"""

import secrets
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from demo import (
    br35h,
    checkpoint,
    explained,
    foreign,
    lidc,
    lidc_masks,
    predictions,
    stress,
    untrained,
    vgg16,
    vindr,
)
from demo.packages import PackageError, Say
from ml.protocol import Protocol as Rules
from portal.accounts import actions as accounts
from portal.accounts.models import Membership, Team, User
from portal.accounts.roles import Role
from portal.audits.actions import PREDICT
from portal.audits.further import NOTHING, Beside, Foreign, rules_with
from portal.audits.models import Audit, CaseResult, Protocol, Shard
from portal.audits.planning import lock_protocol, start_audit, write_protocol
from portal.audits.states import ACTIVE, AuditState, ProtocolState
from portal.blobs import store
from portal.cohorts.models import CohortVersion
from portal.intake.actions import hand_in
from portal.intake.models import Upload, UploadKind
from portal.leases import FINAL
from portal.registry.access import versions_of
from portal.registry.models import ModelVersion, Predictions
from portal.registry.states import VersionState

POLL_SECONDS = 0.5
BRAIN_TEAM = "Brain MR validation (demo)"
READER_TEAM = "Chest imaging readers (demo)"
PEOPLE = (
    # name, e-mail, team, role; the names are roles, not people
    ("Demo owner", "owner@demo.example", (BRAIN_TEAM, READER_TEAM), Role.OWNER),
    ("Demo auditor", "auditor@demo.example", (BRAIN_TEAM, READER_TEAM), Role.AUDITOR),
    ("Demo submitter", "submitter@demo.example", (BRAIN_TEAM,), Role.SUBMITTER),
    ("Demo viewer", "viewer@demo.example", (READER_TEAM,), Role.VIEWER),
)


class DemoFailed(Exception):
    """A sentence for the person at the terminal."""


@dataclass
class Demo:
    cases: br35h.Cases
    say: Say
    check: Callable[[], None]  # raises when the launcher has given up
    stress_cases: int = stress.CASES  # of which corrupted copies are run
    explain_cases: int = explained.CASES  # whose pictures are taken apart; 0: no such audit
    waits: bool = True  # for the audit of explanations too, which takes longer than all others
    home: Path = field(default_factory=lambda: settings.HOME / "demo")
    audits: list[Audit] = field(default_factory=list)

    def run(self) -> None:
        self.cache, self.folders = self.home / "packages", self.home / "folders"
        brain, readers = self.teams()
        model = self.model(brain)
        pictures = self.folders / f"brain-mr-{self.cases}"
        br35h.build(self.cache, pictures, cases=self.cases, say=self.say)
        cohort = self.cohort(brain, pictures)
        beside = self.foreign(brain)
        running = self.audit(
            brain,
            cohort,
            model_version=model,
            title="VGG16 on Br35H brain MR",
            beside=beside,
            protocol=self.protocol(brain, beside),
        )
        self.audit(readers, self.readings(readers), title="LIDC readers, four to a nodule")
        self.audit(readers, self.outlines(readers), title="LIDC outlines, four to a nodule")
        self.audit(readers, self.marks(readers), title="VinDr-CXR readers, three to an image")
        self.read_only(brain)
        self.wait_for(running)
        table = self.predictions(brain, running)
        self.audit(brain, cohort, predictions=table, title="VGG16 on Br35H, from a table of scores")
        for audit in self.audits:
            if audit is not running:  # that one has been told of
                self.wait_for(audit)
        if self.explain_cases:
            self.explain(brain, cohort, model)

    def explain(self, team: Team, cohort: CohortVersion, model: ModelVersion) -> None:
        """Last, so that every other report is there while the pictures are taken apart."""
        body = explained.protocol(Rules.default(), self.explain_cases)
        audit = self.audit(
            team,
            cohort,
            model_version=model,
            title="How VGG16 comes to its answers on Br35H",
            protocol=self.locked(team, explained.NAME, body),
        )
        if self.waits:
            self.wait_for(audit)
        elif audit.is_active:
            self.audits.remove(audit)
            self.say("Its explanations are still being tried: some minutes, on the audit's page.")

    # people ------------------------------------------------------------------------------

    def teams(self) -> tuple[Team, Team]:
        password = self.password()
        people = {}
        for name, email, _, _ in PEOPLE:
            user = User.objects.filter(email=email).first()
            people[email] = user or User.objects.create_user(email, password, name=name)
        self.owner = people["owner@demo.example"]
        teams = {name: self.team(name) for name in (BRAIN_TEAM, READER_TEAM)}
        for _, email, names, role in PEOPLE:
            for name in names:
                member = Membership.objects.filter(team=teams[name], user=people[email])
                if not member.exists():
                    accounts.set_role(
                        actor=self.owner, team=teams[name], user=people[email], role=role
                    )
        return teams[BRAIN_TEAM], teams[READER_TEAM]

    def team(self, name: str) -> Team:
        known = Team.objects.filter(name=name, is_demo=True).first()
        return known or accounts.create_team(owner=self.owner, name=name, is_demo=True)

    def password(self) -> str:
        """Made once for this installation, so that no portal in the world shares it."""
        kept = self.home / "password"
        if not kept.exists():
            self.home.mkdir(parents=True, exist_ok=True)
            kept.touch(mode=0o600)
            kept.write_text(secrets.token_urlsafe(12))
        return kept.read_text()

    # content -----------------------------------------------------------------------------

    def model(self, team: Team) -> ModelVersion:
        folder = self.folders / "vgg16"
        vgg16.build(self.cache, folder, say=self.say)
        upload = self.hand_in(team, UploadKind.MODEL, folder)
        assert upload.model_version is not None
        return upload.model_version

    def read_only(self, team: Team) -> None:
        """Two models beside the audited one, to be read and not audited: one is to be refused.

        Where one of them cannot be had the demonstration goes on, and says so.
        """
        known = versions_of(team)
        if not known.filter(model__name=untrained.NAME).exists():
            try:
                folder = untrained.build(self.folders / "densenet", say=self.say)
                self.hand_in(team, UploadKind.MODEL, folder)
            except untrained.NoTorch as problem:
                self.say(str(problem))
        name = "lung-segmentation"
        if not known.filter(model__name=name, state=VersionState.REFUSED).exists():
            try:
                folder = checkpoint.build(self.cache, self.folders / name, say=self.say)
                self.hand_in(team, UploadKind.MODEL, folder, refused=True)
            except PackageError as problem:
                self.say(f"The checkpoint that is to be refused is left out. {problem}")

    def cohort(self, team: Team, folder: Path) -> CohortVersion:
        upload = self.hand_in(team, UploadKind.COHORT, folder)
        assert upload.cohort_version is not None
        return upload.cohort_version

    def foreign(self, team: Team) -> Beside:
        """What the model was not made for; where it cannot be had the demonstration goes on."""
        folder = self.folders / "foreign"
        try:
            foreign.build(self.cache, folder, say=self.say)
        except PackageError as problem:
            self.say(f"Foreign cohorts are left out. {problem}")
            return NOTHING
        return Beside(
            tuple(
                Foreign(self.cohort(team, folder / one.folder), one.kind) for one in foreign.COHORTS
            )
        )

    def protocol(self, team: Team, beside: Beside) -> Protocol:
        body = stress.protocol(rules_with(Rules.default(), beside), self.stress_cases)
        return self.locked(team, stress.NAME, body)

    def locked(self, team: Team, name: str, body: dict[str, Any]) -> Protocol:
        """The same rules are not written down twice."""
        known = Protocol.objects.filter(
            team=team, sha256=Rules.parse(body).sha256, state=ProtocolState.LOCKED
        ).first()
        if known is not None:
            return known
        written = write_protocol(actor=self.owner, team=team, name=name, body=body)
        lock_protocol(actor=self.owner, protocol=written)
        written.refresh_from_db()
        return written

    def readings(self, team: Team) -> CohortVersion:
        folder = self.folders / "lidc"
        lidc.build(self.cache, folder, say=self.say)
        return self.cohort(team, folder)

    def outlines(self, team: Team) -> CohortVersion:
        folder = self.folders / "lidc-outlines"
        lidc_masks.build(self.cache, folder, say=self.say)
        return self.cohort(team, folder)

    def marks(self, team: Team) -> CohortVersion:
        folder = self.folders / "vindr"
        vindr.build(self.cache, folder, say=self.say)
        return self.cohort(team, folder)

    def predictions(self, team: Team, audit: Audit) -> Predictions:
        """What the model returned in the first audit, as a table without the model."""
        version = audit.model_version
        assert version is not None
        output = version.manifest["output"]
        results = CaseResult.objects.filter(
            audit=audit, pass_name=PREDICT, error="", case__version=audit.cohort_version
        )
        rows = results.order_by("case__position").values_list("case__case_id", "outputs")
        folder = predictions.write(
            self.folders / f"scores-{self.cases}",
            dict(rows),
            classes=output["classes"],
            positive=output["positive"],
            model_name=version.model.name,
            model_version=version.version,
        )
        upload = self.hand_in(team, UploadKind.PREDICTIONS, folder)
        assert upload.predictions is not None
        return upload.predictions

    def hand_in(
        self, team: Team, kind: UploadKind, folder: Path, *, refused: bool = False
    ) -> Upload:
        """The folder as a zip through the same door as every upload; waits until it is read.

        Args:
            refused: it must be, and the demonstration fails where it is not.
        """
        began = time.monotonic()
        with store.local_folder() as scratch:
            blob = store.put_path(zipped(folder, scratch / f"{folder.name}.zip"), "application/zip")
        upload = hand_in(
            actor=self.owner, team=team, kind=kind, file_name=f"{folder.name}.zip", blob=blob
        )
        while upload.state not in FINAL:
            self.check()
            time.sleep(POLL_SECONDS)
            upload.refresh_from_db()
        took = f"{time.monotonic() - began:.1f} s"
        if refused:
            if not upload.refusals:
                raise DemoFailed(f"The {kind} {folder.name} was not refused. {upload.error}")
            self.say(f"{kind} {folder.name}: refused in {took}, as it must be.")
            return upload
        if not upload.accepted:
            reasons = [refusal["message"] for refusal in upload.refusals] or [upload.error]
            raise DemoFailed(f"The {kind} {folder.name} was not accepted: {' '.join(reasons[:3])}")
        self.say(f"{kind} {folder.name}: accepted in {took}.")
        return upload

    # audits ------------------------------------------------------------------------------

    def audit(
        self,
        team: Team,
        cohort: CohortVersion,
        *,
        title: str,
        beside: Beside = NOTHING,
        protocol: Protocol | None = None,
        **subject: Any,
    ) -> Audit:
        """The sealed or running audit of the same things, else a new one."""
        known = Audit.objects.filter(
            team=team,
            cohort_version=cohort,
            protocol=protocol,
            state__in=[*ACTIVE, AuditState.SEALED],
            **subject,
        )
        if not subject:
            known = known.filter(model_version=None, predictions=None)
        alike = (one for one in known if one.further_cohorts.count() == len(beside.versions))
        audit = next(alike, None)
        if audit is None:
            audit = start_audit(
                actor=self.owner,
                team=team,
                cohort_version=cohort,
                title=title,
                beside=beside,
                protocol=protocol,
                **subject,
            )
            self.say(f"Audit started: {title}, {cohort.n_cases:,} cases.")
        self.audits.append(audit)
        return audit

    def wait_for(self, audit: Audit) -> None:
        shown = -1
        audit.refresh_from_db()
        while audit.is_active:
            self.check()
            shown = self.show_progress(audit, shown)
            time.sleep(POLL_SECONDS)
            audit.refresh_from_db()
        if audit.state != AuditState.SEALED:
            raise DemoFailed(f"{audit.reference} is {audit.state}. {audit.failure}")
        self.say(f"Report ready: {audit.title}. {audit.report.headline}")

    def show_progress(self, audit: Audit, shown: int) -> int:
        shards = Shard.objects.filter(work__audit=audit)
        done = sum(shards.values_list("n_done", flat=True))
        total = sum(shards.values_list("n_cases", flat=True))
        tenth = 10 * done // total if total else 0
        if tenth > shown and total:
            self.say(f"{audit.title}: {done:,} of {total:,} cases through the model.")
        return max(tenth, shown)


def zipped(folder: Path, target: Path) -> Path:
    """Stored, not compressed: images and weights hardly get smaller."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return target
