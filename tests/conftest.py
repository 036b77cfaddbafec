"""Fixtures that build things are called make_*, and say only what a test cares about."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before settings are read: tests never touch the installation they are run from, and the
# embedded default is what they test, whatever servers this machine has.
_home = tempfile.TemporaryDirectory(prefix="plumbline-tests-")
os.environ["PLUMBLINE_HOME"] = _home.name
for variable in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL"):
    os.environ.pop(variable, None)
os.environ.setdefault(
    "DJANGO_ALLOW_ASYNC_UNSAFE", "true"
)  # browser tests run a loop in this thread

import pytest  # noqa: E402

from tests.live import chromium, live_portal  # noqa: E402, F401 - fixtures

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first: the last one would be run by one process alone."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, item.path.name != "test_make_demo.py"))


@pytest.fixture
def repo_root() -> Path:
    return ROOT


@pytest.fixture(autouse=True)
def _own_files(settings: Any, tmp_path: Path) -> None:
    """Each test has its own files folder."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "files"},
        },
    }
    settings.SCRATCH_DIR = tmp_path / "scratch"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # cheap
    from portal.cohorts import catalogue
    from portal.reports import content

    catalogue._parsed.cache_clear()
    content._parsed.cache_clear()


@pytest.fixture
def make_user(db: None) -> Callable[..., Any]:
    from portal.accounts.models import User

    def make(name: str = "ana", **fields: Any) -> User:
        return User.objects.create_user(
            f"{name}@example.org", "a long password", name=name, **fields
        )

    return make


@pytest.fixture
def make_team(make_user: Callable[..., Any]) -> Callable[..., Any]:
    """A team and its owner: `team.owner` is there for the test's convenience."""
    from portal.accounts.actions import create_team

    def make(name: str = "Neuro", owner: Any = None) -> Any:
        owner = owner or make_user(f"owner-of-{name.lower()}")
        team = create_team(owner=owner, name=name)
        team.owner = owner
        return team

    return make


@pytest.fixture
def make_member(make_user: Callable[..., Any]) -> Callable[..., Any]:
    from portal.accounts.models import Membership

    def make(team: Any, role: str, name: str = "") -> Any:
        user = make_user(name or f"{role}-in-{team.slug}")
        Membership.objects.create(team=team, user=user, role=role)
        return user

    return make


def png_bytes(shade: int, size: tuple[int, int] = (16, 12)) -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("L", size, shade).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def make_cohort_version(db: None) -> Callable[..., Any]:
    """`n` made-up grey images, every other one with the finding, two cases to a patient."""
    from portal.blobs import store
    from portal.cohorts import actions

    def make(team: Any, *, sealed: bool = True, n: int = 6, readings: bool = False) -> Any:
        files, cases = {}, []
        for number in range(n):
            blob = store.put_bytes(png_bytes(10 * number % 256), "image/png")
            files[blob.sha256] = blob
            cases.append(
                {
                    "case_id": f"c{number}",
                    "patient_id": f"p{number // 2}",
                    "group": None,
                    "cluster": f"p{number // 2}",
                    "label": "tumour" if number % 2 else "none",
                    "covariates": {"sex": "f" if number % 3 else "m"},
                    "images": [
                        {
                            "sha256": blob.sha256,
                            "display_sha256": blob.sha256,
                            "path": f"images/c{number}.png",
                            "media_type": "image/png",
                            "size_bytes": blob.size_bytes,
                            "width": 16,
                            "height": 12,
                            "frames": 1,
                            "bits": 8,
                            "mode": "L",
                        }
                    ],
                }
            )
        listed: dict[str, Any] = {
            "schema": 1,
            "title": f"Test cohort of {n}",
            "task": "classification",
            "classes": ["tumour", "none"],
            "positive": ["tumour"],
            "modality": "MR",
            "notes": "Made-up images for tests.",
            "readers": "identified",
            "questions": {"tumour": {"position": 0, "scale": "ordinal", "values": ["1", "2", "3"]}}
            if readings
            else {},
            "sha256": f"{n:064x}",
            "cluster_kind": "patient",
            "simulated": True,
            "covariates": ["sex"],
            "cases": cases,
            "readings": [
                {
                    "reader_id": f"r{reader}",
                    "case_id": f"c{number}",
                    "question": "tumour",
                    "score": float(1 + (number + reader) % 3),
                    "label": None,
                    "arm": None,
                    "seconds": None,
                }
                for number in range(n)
                for reader in range(3)
            ]
            if readings
            else [],
        }
        blob = store.put_bytes(json.dumps(listed, sort_keys=True).encode(), "application/json")
        version = actions.add_version(
            team=team, actor=_owner(team), catalogue=listed, blob=blob, files=files
        )
        if sealed:
            actions.seal_version(actor=_owner(team), version=version)
            version.refresh_from_db()
        return version

    return make


def _owner(team: Any) -> Any:
    return team.memberships.select_related("user").get(role="owner").user


MANIFEST: dict[str, Any] = {
    "name": "Shade net",
    "version": "1.0",
    "format": "onnx",
    "file": "model.onnx",
    "task": "classification",
    "intended_use": "Telling bright test images from dark ones.",
    "operating_points": [{"name": "default", "threshold": 0.5}],
    "input": {
        "dims": 2,
        "channels": 1,
        "size": [12, 16],
        "layout": "NCHW",
        "colour": "gray",
        "resize": {"mode": "bilinear", "antialias": "pillow"},
        "intensity": {"scale": 255},
    },
    "output": {
        "kind": "probabilities",
        "classes": ["tumour", "none"],
        "activation": "softmax",
        "positive": ["tumour"],
    },
}


@pytest.fixture
def make_model_version(db: None) -> Callable[..., Any]:
    """An accepted version whose weights are not a real network: for pages and rules only."""
    from ml.evidence.intake_record import sealed
    from portal.blobs import store
    from portal.registry import actions

    def make(
        team: Any,
        version: str = "1.0",
        name: str = "Shade net",
        card: dict[str, Any] | None = None,
        recorded: bool = False,
    ) -> Any:
        weights = store.put_bytes(f"not a network: {name} {version}".encode())
        known = {"format": "onnx", "opset": 17, "operations": {"Gemm": 1}, "parameters": 12}
        known |= card or {}
        read = actions.ReadModel(
            manifest=MANIFEST | {"name": name, "version": version},
            card=sealed(known) if recorded else known,
            sha256=weights.sha256,
            manifest_sha256="a" * 64,
            weights=weights,
        )
        return actions.accept_version(team=team, actor=_owner(team), read=read)

    return make


@pytest.fixture
def make_predictions(db: None) -> Callable[..., Any]:
    from portal.blobs import store
    from portal.registry import actions

    def make(team: Any, name: str = "Shade net") -> Any:
        table = store.put_bytes(f"not a table: {name}".encode())
        meta = {
            "kind": "probabilities",
            "classes": ["tumour", "none"],
            "positive": ["tumour"],
            "model": {"name": name, "version": "1.0"},
        }
        return actions.accept_predictions(
            team=team, actor=_owner(team), meta=meta, table=table, sha256=table.sha256, n_cases=6
        )

    return make


@pytest.fixture
def make_audit(
    make_cohort_version: Callable[..., Any], make_model_version: Callable[..., Any]
) -> Callable[..., Any]:
    """A waiting audit with its plan; nothing has run."""
    from portal.audits.planning import start_audit

    def make(team: Any, *, cohort: Any = None, model: Any = None, **fields: Any) -> Any:
        return start_audit(
            actor=_owner(team),
            team=team,
            cohort_version=cohort or make_cohort_version(team),
            model_version=model or make_model_version(team),
            **fields,
        )

    return make
