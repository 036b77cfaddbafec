"""Cohorts of pydicom's own files, read as intake reads them and put away without a worker."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pydicom
import pytest
from django.test import Client

from ml.intake.cohort import read_cohort
from ml.intake.deidentified import Kept
from ml.intake.dicom_rows import rows_left
from ml.sandbox.messages import Reporter
from portal.accounts.actions import create_token
from portal.blobs import store
from portal.cohorts import actions as cohorts
from portal.dicomweb.actions import add_instances

FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def changed(name: str, **attributes: Any) -> bytes:
    """One of pydicom's files with other attributes; None leaves one out."""
    dataset = pydicom.dcmread(FILES / name)
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2")
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def as_it_is(_: Kept, data: bytes, *about: Any) -> bytes:
    """De-identification has tests of its own; here files are known by what pydicom says of them."""
    return bytes(128) + data[128:]


def put(team: Any, folder: Path, files: Mapping[str, bytes], title: str = "Scans") -> Any:
    source, out = folder / f"in-{title}", folder / f"out-{title}"
    (source / "images").mkdir(parents=True)
    out.mkdir()
    (source / "cohort.yaml").write_text(f"title: {title}\n")
    for name, data in files.items():
        (source / "images" / name).write_bytes(data)
    lines = [f"{name.replace('.', '-')},images/{name}" for name in files]
    (source / "cases.csv").write_text("\n".join(["case_id,image", *lines]))
    with patch.object(Kept, "take", as_it_is):
        result = read_cohort(source, out, Reporter(lambda line: None, lambda done, total: None))
    rows = rows_left(out, result)
    blobs = {path.name: store.put_path(path) for path in (out / "files").iterdir()}
    catalogue = json.loads((out / "catalogue.json").read_text())
    version = cohorts.add_version(
        team=team, actor=team.owner, catalogue=catalogue, files=blobs,
        blob=store.put_path(out / "catalogue.json"),
    )  # fmt: skip
    add_instances(version=version, rows=rows, files=blobs)
    return version


@pytest.fixture
def hold(team: Any, tmp_path: Path) -> Callable[..., Any]:
    def of(files: Mapping[str, bytes], title: str = "Scans", whose: Any = None) -> Any:
        return put(whose or team, tmp_path, files, title)

    return of


@pytest.fixture
def scans(hold: Callable[..., Any]) -> Any:
    """A CT, an MR, its JPEG-LS twin under a UID of its own, and two frames in colour."""
    names = ("CT_small.dcm", "MR_small.dcm", "SC_rgb_rle_2frame.dcm", "examples_palette.dcm")
    files = {name: (FILES / name).read_bytes() for name in names}
    files["MR_ls.dcm"] = changed(
        "MR_small_jpeg_ls_lossless.dcm", SOPInstanceUID="1.2.3.4", InstanceNumber=7
    )
    return hold(files)


@pytest.fixture
def program(team: Any) -> Client:
    """A client with the owner's token."""
    _, secret = create_token(actor=team.owner, team=team, name="test")
    return Client(headers={"Authorization": f"Bearer {secret}"})


def address(name: str, root: str = "/dicomweb") -> str:
    """Of the instance that one of pydicom's files is."""
    found = pydicom.dcmread(FILES / name, stop_before_pixels=True)
    return (
        f"{root}/studies/{found.StudyInstanceUID}/series/{found.SeriesInstanceUID}"
        f"/instances/{found.SOPInstanceUID}"
    )
