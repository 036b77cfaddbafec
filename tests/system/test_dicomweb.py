"""A client that others wrote drives every verb of the running portal, and of Orthanc beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session

from tests.live import LivePortal, live_portal  # noqa: F401 - a fixture
from tests.system import orthanc

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
NAMES = (
    "CT_small.dcm", "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm", "MR_small_RLE.dcm",
    "SC_rgb_rle_2frame.dcm", "JPGExtended.dcm",
)  # fmt: skip
ANY = (("application/octet-stream", "*"),)
SHARED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


@pytest.fixture(scope="module")
def client(live_portal: LivePortal) -> Any:  # noqa: F811
    person = live_portal.person("dicom")
    session = create_session()
    session.headers["Authorization"] = f"Bearer {person.token}"
    return DICOMwebClient(f"{live_portal.url}/dicomweb", session=session)


def distinct(number: int, name: str) -> pydicom.Dataset:
    """Test files of one origin share their UIDs, which a cohort does not take."""
    dataset = pydicom.dcmread(FILES / name)
    dataset.SOPInstanceUID = f"1.2.826.0.1.{number}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


@pytest.fixture(scope="module")
def stored(client: Any) -> dict[str, Any]:
    """File name -> the attributes of what is kept of it."""
    found = {}
    for number, name in enumerate(NAMES, 1):
        answer = client.store_instances([distinct(number, name)])
        [reference] = answer.ReferencedSOPSequence
        [said] = client.search_for_instances(
            search_filters={"SOPInstanceUID": reference.ReferencedSOPInstanceUID}
        )
        found[name] = pydicom.Dataset.from_json(said)
    return found


def uids(said: Any) -> tuple[str, str, str]:
    return said.StudyInstanceUID, said.SeriesInstanceUID, said.SOPInstanceUID


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_instances_come_back_with_their_pixels(
    client: Any, stored: dict[str, Any], name: str
) -> None:
    wanted = pydicom.dcmread(FILES / name).pixel_array

    kept = client.retrieve_instance(*uids(stored[name]))

    np.testing.assert_array_equal(kept.pixel_array, wanted)
    [metadata] = [client.retrieve_instance_metadata(*uids(stored[name]))]
    assert metadata["00280010"]["Value"] == [kept.Rows]


@pytest.mark.slow
def test_frames_come_as_they_are_stored(client: Any, stored: dict[str, Any]) -> None:
    said = stored["SC_rgb_rle_2frame.dcm"]

    frames = client.retrieve_instance_frames(*uids(said), frame_numbers=[1, 2], media_types=ANY)

    wanted = pydicom.dcmread(FILES / "SC_rgb_rle_2frame.dcm").pixel_array
    assert b"".join(frames) == wanted.tobytes()


@pytest.mark.slow
def test_studies_series_and_bulk_data(client: Any, stored: dict[str, Any]) -> None:
    study, series, _ = uids(stored["CT_small.dcm"])

    assert len(client.retrieve_study(study)) == 1
    assert len(client.retrieve_series(study, series)) == 1
    assert {one["0020000D"]["Value"][0] for one in client.search_for_studies()} == {
        uids(said)[0] for said in stored.values()
    }
    [found] = client.search_for_series(study, search_filters={"Modality": "CT"})
    assert found["0020000E"]["Value"] == [series]
    [metadata] = client.retrieve_series_metadata(study, series)
    # This client names the host without its port, and gets addresses of that host.
    named = metadata["7FE00010"]["BulkDataURI"]
    [pixels] = client.retrieve_bulkdata(client.base_url + named.partition("/dicomweb")[2])
    assert pixels == pydicom.dcmread(FILES / "CT_small.dcm").PixelData
    rendered = client.retrieve_instance_rendered(
        *uids(stored["CT_small.dcm"]), media_types=("image/png",)
    )
    assert rendered.startswith(b"\x89PNG")


@pytest.mark.slow
def test_orthanc_says_the_same_of_the_same_instances(
    client: Any, stored: dict[str, Any], tmp_path: Path
) -> None:
    if not (orthanc.BINARY.exists() and orthanc.PLUGIN.exists()):
        pytest.skip(orthanc.MISSING)
    with orthanc.orthanc(tmp_path) as url:
        other = DICOMwebClient(url)
        other.store_instances([client.retrieve_instance(*uids(one)) for one in stored.values()])

        for said in stored.values():
            key = {"SOPInstanceUID": said.SOPInstanceUID}
            [theirs] = other.search_for_instances(search_filters=key)
            [ours] = client.search_for_instances(search_filters=key)
            for tag in sorted(set(theirs) & set(ours) - {"00081190"}):
                assert ours[tag] == theirs[tag], tag
            assert {f"{pydicom.datadict.tag_for_keyword(one):08X}" for one in SHARED} <= set(ours)
            assert client.retrieve_instance_frames(
                *uids(said), frame_numbers=[1], media_types=ANY
            ) == other.retrieve_instance_frames(*uids(said), frame_numbers=[1], media_types=ANY)
        for filters in ({"Modality": "MR"}, {"StudyDate": "19000101-20991231"}, {}):
            assert _studies(client, filters) == _studies(other, filters)


def _studies(client: Any, filters: dict[str, str]) -> set[str]:
    if "Modality" in filters:
        found = client.search_for_series(search_filters=filters)
    else:
        found = client.search_for_studies(search_filters=filters)
    return {one["0020000D"]["Value"][0] for one in found}
