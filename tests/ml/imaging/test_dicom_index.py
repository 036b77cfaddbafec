"""The index that a child writes of a DICOM file, held against pydicom on pydicom's own files."""

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import pixel_array

from ml.imaging.dicom import decode_dicom
from ml.imaging.dicom_index import indexed
from ml.imaging.dicom_served import rewritten
from ml.imaging.picture import ImageError

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
NAMES = sorted(path.name for path in FOLDER.glob("*.dcm"))


def accepted(name: str) -> bytes:
    data = (FOLDER / name).read_bytes()
    try:
        decode_dicom(data)
    except ImageError as error:
        pytest.skip(f"intake refuses it: {error.code}")
    return data


@pytest.mark.parametrize("name", NAMES)
def test_pixels_lie_where_the_index_says_and_are_pydicoms(name: str) -> None:
    data = accepted(name)
    given = rewritten(data) or data
    try:
        row: Any = indexed(given)
    except ImageError as error:
        assert error.code == "no_uid"  # noqa: PT017 - the others go on
        return

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = pixel_array(pydicom.dcmread(io.BytesIO(data)))
        handed = pydicom.dcmread(io.BytesIO(given))
        np.testing.assert_array_equal(pixel_array(handed), wanted)
        if row["pixels"] is not None:
            at, size = row["pixels"]
            assert given[at : at + size] == handed.PixelData
        else:
            frames = list(generate_frames(handed.PixelData, number_of_frames=row["frames"]))
            found = [b"".join(given[at : at + size] for at, size in one)
                     for one in row["fragments"]]  # fmt: skip
            assert found == frames
        for tag, said in row["attributes"].items():
            place = said.get("BulkDataURI", "bulkdata/pixels").removeprefix("bulkdata/")
            if place != "pixels":
                at, size = row["bulk"][int(place)]
                assert given[at : at + size] == handed[int(tag, 16)].value
    json.dumps(row, allow_nan=False)


def test_there_is_something_of_each_kind() -> None:
    """So that the test above does not pass by skipping."""
    whole = {"CT_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "JPEG2000.dcm"}
    made = {"MR_small_bigendian.dcm", "JPGExtended.dcm", "SC_ybr_full_422_uncompressed.dcm",
            "J2K_pixelrep_mismatch.dcm", "SC_rgb_rle_32bit_2frame.dcm", "SC_rgb_jpeg.dcm",
            "MR_small_implicit.dcm"}  # fmt: skip

    assert {name for name in whole if rewritten(accepted(name)) is None} == whole
    assert {name for name in made if rewritten(accepted(name)) is not None} == made


def test_fragments_of_one_frame_are_kept_apart() -> None:
    dataset = pydicom.dcmread(FOLDER / "JPEG2000.dcm")
    [frame] = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = pydicom.encaps.encapsulate([frame], fragments_per_frame=3)
    out = io.BytesIO()
    dataset.save_as(out)

    row: Any = indexed(out.getvalue())

    [places] = row["fragments"]
    assert len(places) == 3
    assert b"".join(out.getvalue()[at : at + size] for at, size in places) == frame


def test_big_endian_words_are_turned_with_the_pixels() -> None:
    dataset = pydicom.dcmread(FOLDER / "MR_small.dcm")
    dataset.add_new(0x00281201, "OW", np.arange(4, dtype=">u2").tobytes())
    dataset.PixelData = dataset.pixel_array.astype(">i2").tobytes()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    out = io.BytesIO()
    plain = pydicom.Dataset(dataset)
    plain.file_meta, plain.preamble = dataset.file_meta, bytes(128)
    pydicom.dcmwrite(out, plain, implicit_vr=False, little_endian=False)

    made = rewritten(out.getvalue())

    assert made is not None
    again = pydicom.dcmread(io.BytesIO(made))
    assert again["RedPaletteColorLookupTableData"].value == np.arange(4, dtype="<u2").tobytes()
    np.testing.assert_array_equal(
        again.pixel_array, pydicom.dcmread(FOLDER / "MR_small.dcm").pixel_array
    )


def test_a_value_without_json_costs_itself_alone() -> None:
    dataset = pydicom.dcmread(FOLDER / "CT_small.dcm")
    dataset.add_new(0x00189087, "FD", float("nan"))
    dataset.add_new(0x00142016, "UT", "x" * 300_000)
    out = io.BytesIO()
    dataset.save_as(out)

    row: Any = indexed(out.getvalue())

    assert not {"00189087", "00142016"} & set(row["attributes"])
    assert row["attributes"]["00100020"]["Value"] == ["1CT1"]
