"""What WADO-RS hands out, against what pydicom reads from the file that was handed in."""

import io
import json
from email import message_from_bytes
from email.policy import HTTP
from typing import Any

import numpy as np
import pydicom
import pytest
from django.test import Client

from tests.portal.dicomweb.conftest import FILES, address

ANY_FRAME = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


def body(response: Any) -> bytes:
    return response.getvalue() if response.streaming else response.content


def parts(response: Any) -> list[tuple[str, bytes]]:
    """Type and bytes of each part, read by the standard library's parser of e-mail."""
    head = f"Content-Type: {response['Content-Type']}\r\n\r\n".encode()
    message = message_from_bytes(head + body(response), policy=HTTP)
    return [
        (str(part["Content-Type"]).replace('"', ""), part.get_payload(decode=True))
        for part in message.iter_parts()
    ]


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "examples_palette.dcm"])
def test_a_native_frame_is_the_pixels_of_the_file(program: Client, scans: Any, name: str) -> None:
    response = program.get(f"{address(name)}/frames/1", headers={"accept": ANY_FRAME})

    [(media_type, data)] = parts(response)
    assert response.status_code == 200
    assert media_type == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    assert data == pydicom.dcmread(FILES / name).PixelData
    assert len(body(response)) == int(response["Content-Length"])


def test_a_frame_alone_is_its_bytes_and_can_be_had_in_ranges(program: Client, scans: Any) -> None:
    url, accept = f"{address('CT_small.dcm')}/frames/1", "application/octet-stream"
    pixels = pydicom.dcmread(FILES / "CT_small.dcm").PixelData

    whole = program.get(url, headers={"accept": accept})
    middle = program.get(url, headers={"accept": accept, "range": "bytes=10-19"})
    end = program.get(url, headers={"accept": accept, "range": "bytes=-5"})
    beyond = program.get(url, headers={"accept": accept, "range": "bytes=99999-"})
    again = program.get(url, headers={"accept": accept, "if-none-match": whole["ETag"]})
    other = program.get(
        url, headers={"accept": accept, "range": "bytes=0-1", "if-range": '"another"'}
    )

    assert body(whole) == pixels
    assert (middle.status_code, body(middle)) == (206, pixels[10:20])
    assert middle["Content-Range"] == f"bytes 10-19/{len(pixels)}"
    assert body(end) == pixels[-5:]
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
    assert (again.status_code, body(again)) == (304, b"")
    assert (other.status_code, body(other)) == (200, pixels)


def test_a_compressed_frame_is_given_to_who_asks_for_its_syntax(
    program: Client, scans: Any
) -> None:
    file = pydicom.dcmread(FILES / "MR_small_jpeg_ls_lossless.dcm")
    url = address("MR_small.dcm").rsplit("/", 1)[0] + "/1.2.3.4/frames/1"
    [frame] = pydicom.encaps.generate_frames(file.PixelData, number_of_frames=1)

    as_any = program.get(url, headers={"accept": ANY_FRAME})
    as_jls = program.get(url, headers={"accept": 'multipart/related; type="image/jls"'})
    native = program.get(
        url, headers={"accept": 'multipart/related; type="application/octet-stream"'}
    )

    syntax = "transfer-syntax=1.2.840.10008.1.2.4.80"
    assert parts(as_any) == [(f"application/octet-stream; {syntax}", frame)]
    assert parts(as_jls) == [(f"image/jls; {syntax}", frame)]
    assert (native.status_code, native.json()["code"]) == (406, "not_acceptable")


def test_colour_that_browsers_read_wrongly_comes_decoded(program: Client, scans: Any) -> None:
    name = "SC_rgb_rle_2frame.dcm"
    wanted = pydicom.dcmread(FILES / name).pixel_array

    response = program.get(f"{address(name)}/frames/2,1", headers={"accept": ANY_FRAME})

    second, first = (np.frombuffer(data, np.uint8).reshape(100, 100, 3)
                     for _, data in parts(response))  # fmt: skip
    np.testing.assert_array_equal(second, wanted[1])
    np.testing.assert_array_equal(first, wanted[0])


def test_an_instance_is_the_stored_file(program: Client, scans: Any) -> None:
    url = address("CT_small.dcm")
    data = (FILES / "CT_small.dcm").read_bytes()

    alone = program.get(url, headers={"accept": "application/dicom"})
    several = program.get(url, headers={"accept": 'multipart/related; type="application/dicom"'})

    assert body(alone) == bytes(128) + data[128:]
    assert alone["Content-Type"] == "application/dicom"
    assert [data for _, data in parts(several)] == [body(alone)]


def test_the_front_server_sends_a_whole_file_where_there_is_one(
    program: Client, scans: Any, settings: Any
) -> None:
    settings.ACCEL_PREFIX = "/_files/"

    response = program.get(address("CT_small.dcm"), headers={"accept": "application/dicom"})

    blob = scans.instances.get(sop_uid=address("CT_small.dcm").rsplit("/", 1)[1]).blob
    assert response["X-Accel-Redirect"] == f"/_files/{blob.storage_name}"
    assert response.content == b""


def test_series_and_study_hold_every_instance(program: Client, scans: Any) -> None:
    series = address("MR_small.dcm").split("/instances/")[0]
    anything = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    one = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'

    found = parts(program.get(series, headers={"accept": anything}))
    too_few = program.get(series, headers={"accept": one})

    uids = {str(pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID) for _, data in found}
    assert uids == {"1.2.3.4", address("MR_small.dcm").rsplit("/", 1)[1]}
    assert too_few.status_code == 406


def test_attributes_are_those_of_the_file_and_name_the_rest(program: Client, scans: Any) -> None:
    response = program.get(f"{address('CT_small.dcm')}/metadata")

    [said] = response.json()
    file = pydicom.dcmread(FILES / "CT_small.dcm")
    assert response["Content-Type"] == "application/dicom+json"
    assert said["00080060"] == {"vr": "CS", "Value": ["CT"]}
    assert said["00080016"]["Value"] == [file.SOPClassUID]
    assert said["00281052"]["Value"] == [float(file.RescaleIntercept)]
    assert said["00200032"]["Value"] == [float(one) for one in file.ImagePositionPatient]
    pixels = said["7FE00010"]["BulkDataURI"]
    assert pixels == f"http://testserver{address('CT_small.dcm')}/bulkdata/pixels"
    alone = {"accept": "application/octet-stream"}
    assert body(program.get(pixels, headers=alone)) == file.PixelData
    elsewhere = [tag for tag, one in said.items() if "BulkDataURI" in one and tag != "7FE00010"]
    assert elsewhere
    for tag in elsewhere:
        value = body(program.get(said[tag]["BulkDataURI"], headers=alone))
        assert value == file[int(tag, 16)].value


def test_a_palette_and_what_viewers_cannot_do_without_stand_in_the_attributes(
    program: Client, hold: Any
) -> None:
    from tests.portal.dicomweb.conftest import changed

    hold({"p.dcm": changed("examples_palette.dcm", Modality=None)})

    [said] = program.get(f"{address('examples_palette.dcm')}/metadata").json()

    assert said["00080060"]["Value"] == ["OT"]
    assert {"00281101", "00281201", "00281202", "00281203"} <= set(said)
    assert "InlineBinary" in said["00281201"]


def test_compressed_bulk_pixels_have_a_part_to_each_frame(program: Client, scans: Any) -> None:
    url = address("MR_small.dcm").rsplit("/", 1)[0] + "/1.2.3.4/bulkdata/pixels"

    response = program.get(url, headers={"accept": "multipart/related; type=image/jls"})

    assert [kind for kind, _ in parts(response)] == [
        "image/jls; transfer-syntax=1.2.840.10008.1.2.4.80"
    ]


@pytest.mark.parametrize(
    ("end", "accept", "status", "code"),
    [
        ("/frames/2", "*/*", 404, "not_found"),
        ("/frames/0", "*/*", 400, "bad_request"),
        ("/frames/one", "*/*", 400, "bad_request"),
        ("/frames/1", "text/html", 406, "not_acceptable"),
        ("/frames/1", "application/octet-stream;q=0", 406, "not_acceptable"),
        ("/frames/1", "application/octet-stream;q=two", 400, "bad_request"),
        ("/frames/1", "nonsense", 400, "bad_request"),
        ("/bulkdata/9", "*/*", 404, "not_found"),
        ("/bulkdata/-1", "*/*", 404, "not_found"),
        ("/metadata", "application/dicom+xml", 406, "not_acceptable"),
        ("/nothing", "*/*", 404, "not_found"),
        ("", "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90", 406, "not_acceptable"),
    ],
)
def test_what_cannot_be_given_says_why(
    program: Client, scans: Any, end: str, accept: str, status: int, code: str
) -> None:
    response = program.get(address("CT_small.dcm") + end, headers={"accept": accept})

    assert (response.status_code, json.loads(response.content)["code"]) == (status, code)


def test_the_better_q_is_taken(program: Client, scans: Any) -> None:
    url = f"{address('CT_small.dcm')}/frames/1"
    multi = 'multipart/related; type="application/octet-stream"'

    alone = program.get(url, headers={"accept": f"{multi};q=0.4, application/octet-stream;q=0.9"})
    several = program.get(url, headers={"accept": f"{multi};q=0.9, application/octet-stream;q=0.4"})

    assert alone["Content-Type"].startswith("application/octet-stream")
    assert several["Content-Type"].startswith("multipart/related")


def test_only_reading_methods_are_taken(program: Client, scans: Any) -> None:
    response = program.delete(address("CT_small.dcm"))

    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


def test_a_head_has_the_length_and_no_body(program: Client, scans: Any) -> None:
    response = program.head(address("CT_small.dcm"), headers={"accept": "application/dicom"})

    assert response.content == b""
    assert int(response["Content-Length"]) == (FILES / "CT_small.dcm").stat().st_size
