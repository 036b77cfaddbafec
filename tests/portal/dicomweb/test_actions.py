"""The index of a version: where it may point, and how a version of before gets one."""

from typing import Any

import pytest

from ml.sandbox.results import ResultError
from portal.dicomweb.actions import add_instances
from portal.dicomweb.models import Instance
from tests.portal.dicomweb.conftest import FILES


def row_of(instance: Any, **changes: Any) -> dict[str, Any]:
    import json

    row = {
        "sha256": instance.image.blob_id, "served": instance.blob_id, "study": instance.study_uid,
        "series": instance.series_uid, "instance": instance.sop_uid, "syntax": instance.syntax,
        "frames": 1, "pixels": [instance.pixel_offset, instance.pixel_bytes], "fragments": [],
        "bulk": instance.bulk, "attributes": json.loads(instance.attributes),
    }  # fmt: skip
    return row | changes


@pytest.fixture
def one(hold: Any) -> Any:
    return hold({"a.dcm": (FILES / "CT_small.dcm").read_bytes()}).instances.get()


@pytest.mark.parametrize(
    "changes",
    [
        {"pixels": [39_000, 32_768]},
        {"bulk": [[0, 10**9]]},
        {"frames": 2},
        {"pixels": None, "fragments": [[[38_000, 10_000]]]},
        {"attributes": {}},
    ],
)
def test_a_place_outside_the_file_is_not_taken(one: Any, changes: dict[str, Any]) -> None:
    row = row_of(one, **changes)
    Instance.objects.all().delete()

    with pytest.raises(ResultError):
        add_instances(version=one.version, rows=[row], files={one.blob_id: one.blob})

    assert not Instance.objects.exists()


def test_a_version_of_before_is_indexed_when_it_comes_again(one: Any) -> None:
    row = row_of(one)
    Instance.objects.all().delete()

    assert add_instances(version=one.version, rows=[row], files={one.blob_id: one.blob}) == 1
    assert add_instances(version=one.version, rows=[row], files={one.blob_id: one.blob}) == 0


def test_what_people_search_for_is_in_columns(one: Any) -> None:
    assert (one.modality, one.patient_id, one.study_date) == ("CT", "1CT1", "20040119")
    assert (one.rows, one.columns, one.frames, one.frame_bytes) == (128, 128, 1, 32_768)
