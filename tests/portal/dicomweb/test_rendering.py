"""Pictures of frames, against arithmetic on pydicom's pixels; and WADO-URI."""

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from django.test import Client
from PIL import Image

from tests.portal.dicomweb.conftest import FILES, address


def shown(response: Any) -> Any:
    assert response.status_code == 200, response.content
    return np.asarray(Image.open(io.BytesIO(response.content)))


def uri(name: str, **more: str) -> str:
    _, _, _, study, _, series, _, instance = address(name).split("/")
    given = {"requestType": "WADO", "studyUID": study, "seriesUID": series,
             "objectUID": instance} | more  # fmt: skip
    return "/dicomweb/wado?" + "&".join(f"{key}={value}" for key, value in given.items())


def windowed(name: str, centre: float, width: float) -> Any:
    file = pydicom.dcmread(FILES / name)
    units = file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept)
    return np.rint(np.clip(((units - (centre - 0.5)) / (width - 1) + 0.5) * 255, 0, 255))


def test_a_window_is_what_the_standard_says(program: Client, scans: Any) -> None:
    at = address("CT_small.dcm")
    png = {"accept": "image/png"}

    by_rs = program.get(f"{at}/frames/1/rendered?window=40,400,linear", headers=png)
    of_instance = program.get(f"{at}/rendered?window=40,400", headers=png)
    by_uri = program.get(
        uri("CT_small.dcm", contentType="image/png", windowCenter="40", windowWidth="400")
    )

    for response in (by_rs, of_instance, by_uri):
        assert response["Content-Type"] == "image/png"
        np.testing.assert_array_equal(shown(response), windowed("CT_small.dcm", 40, 400))


def test_colour_is_as_it_is_and_of_the_frame_asked_for(program: Client, scans: Any) -> None:
    name = "SC_rgb_rle_2frame.dcm"

    response = program.get(f"{address(name)}/frames/2/rendered", headers={"accept": "image/png"})

    np.testing.assert_array_equal(shown(response), pydicom.dcmread(FILES / name).pixel_array[1])


def test_a_jpeg_is_given_first_and_kept(program: Client, scans: Any) -> None:
    response = program.get(f"{address('MR_small.dcm')}/rendered")

    assert response["Content-Type"] == "image/jpeg"
    again = program.get(
        f"{address('MR_small.dcm')}/rendered", headers={"if-none-match": response["ETag"]}
    )
    assert again.status_code == 304


def test_the_file_by_uri_has_pydicoms_pixels(program: Client, scans: Any) -> None:
    for name in ("CT_small.dcm", "SC_rgb_rle_2frame.dcm", "examples_palette.dcm"):
        response = program.get(uri(name, contentType="application/dicom"))
        data = response.getvalue() if response.streaming else response.content
        found = pydicom.dcmread(io.BytesIO(data)).pixel_array
        np.testing.assert_array_equal(found, pydicom.dcmread(FILES / name).pixel_array)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"requestType": "WADX"}, 400),
        ({"studyUID": ""}, 400),
        ({"objectUID": "1.2"}, 404),
        ({"contentType": "video/mpeg"}, 406),
        ({"contentType": "application/dicom", "transferSyntax": "1.2.840.10008.1.2.5"}, 406),
        ({"windowCenter": "40"}, 400),
        ({"windowCenter": "nan", "windowWidth": "400"}, 400),
        ({"windowCenter": "40", "windowWidth": "0"}, 400),
        ({"frameNumber": "2"}, 404),
        ({"imageQuality": "101"}, 400),
    ],
)
def test_what_cannot_be_given_by_uri(
    program: Client, scans: Any, more: dict[str, str], status: int
) -> None:
    assert program.get(uri("CT_small.dcm", **more)).status_code == status


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (address("examples_palette.dcm") + "/rendered", 406),
        (address("MR_small.dcm").rsplit("/", 1)[0] + "/1.2.3.4/rendered", 406),
        (address("CT_small.dcm") + "/rendered?window=a,b", 400),
        (address("CT_small.dcm") + "/rendered?window=40,400,sigmoid", 400),
        (address("CT_small.dcm") + "/rendered?viewport=10,10", 400),
        (address("SC_rgb_rle_2frame.dcm") + "/frames/1,2/rendered", 400),
        (address("SC_rgb_rle_2frame.dcm") + "/frames/3/rendered", 404),
    ],
)
def test_what_is_not_rendered_says_so(program: Client, scans: Any, url: str, status: int) -> None:
    assert program.get(url).status_code == status
