"""Parts of de-identification: streams, bits, text in the pixels, covariates, what is counted."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEGBaseline8Bit

from ml.imaging.deid.burned_in import burned_in
from ml.imaging.deid.engine import deidentify
from ml.imaging.deid.keyed import Identity
from ml.imaging.deid.procedure import procedure
from ml.imaging.deid.report import Report
from ml.imaging.deid.streams import blanked
from ml.imaging.picture import ImageError
from tests.ml.imaging.deid_files import KEY, cleaned, fixture, item, read, small, written

pytestmark = pytest.mark.filterwarnings("ignore")

CLASS = "1.2.840.10008.5.1.4.1.1."


def jpeg(comment=b"Smith^Anna"):
    file = io.BytesIO()
    pixels = np.arange(4096, dtype=np.uint8).reshape(64, 64)
    Image.fromarray(pixels).save(file, "JPEG", comment=comment, exif=b"Exif\0\0Smith")
    return file.getvalue()


def test_comments_of_a_jpeg_are_blanked_and_its_pixels_stay():
    before = jpeg() + b"Smith"

    after = blanked(before, JPEGBaseline8Bit)

    assert len(after) == len(before)
    assert before.count(b"Smith") == 3
    assert b"Smith" not in after
    assert np.array_equal(Image.open(io.BytesIO(before)), Image.open(io.BytesIO(after)))


def test_comments_of_jpeg_2000_are_blanked_in_the_file():
    data = fixture("JPEG2000.dcm")
    before, after = read(data), read(deidentify(data, KEY).data)

    def comments(dataset):
        (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
        at = frame.find(b"\xff\x64")
        length = int.from_bytes(frame[at + 2 : at + 4], "big")
        return frame[at + 6 : at + 2 + length]

    assert any(comments(before))
    assert comments(after) == bytes(len(comments(before)))
    assert np.array_equal(before.pixel_array, after.pixel_array)


def test_a_compressed_file_is_cleaned_frame_by_frame():
    frames = [jpeg(), jpeg(b"Jones^Tom")]
    dataset = small(CLASS + "7.2", Rows=64, Columns=64, NumberOfFrames=2,
                    PixelData=encapsulate(frames))  # fmt: skip
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset["PixelData"].is_undefined_length = True
    data = written(dataset)
    assert b"Jones^Tom" in data

    done = deidentify(data, KEY)

    assert b"Jones" not in done.data
    assert b"Smith" not in done.data
    assert done.pixels_changed == ("comments in the compressed picture",)
    assert np.array_equal(read(done.data).pixel_array, read(data).pixel_array)


def test_what_cannot_be_taken_apart_is_refused_without_its_words():
    dataset = small(CLASS + "7.2", Rows=64, Columns=64, NumberOfFrames=3,
                    PixelData=encapsulate([jpeg(), jpeg()], has_bot=False))  # fmt: skip
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset["PixelData"].is_undefined_length = True

    with pytest.raises(ImageError) as error:
        deidentify(written(dataset), KEY)

    assert error.value.code == "deid_unreadable"
    assert error.value.__suppress_context__


@pytest.mark.parametrize("signed", [0, 1])
def test_an_overlay_in_unused_bits_is_cleared(signed):
    values = np.arange(-8 if signed else 0, 8 if signed else 16, dtype=np.int16)
    hidden = (values & 0x0FFF) | 0x5000
    dataset = small(BitsAllocated=16, BitsStored=12, HighBit=11, PixelRepresentation=signed,
                    PixelData=hidden.astype("<i2").tobytes())  # fmt: skip

    after = cleaned(dataset)

    stored = np.frombuffer(after.PixelData, "<i2")
    assert stored.tolist() == values.tolist()
    assert np.array_equal(after.pixel_array, read(written(dataset)).pixel_array)


def test_bytes_behind_the_last_pixel_are_cut():
    done = deidentify(written(small(PixelData=bytes(16) + b"Smith^Anna")), KEY)

    assert read(done.data).PixelData == bytes(16)
    assert done.pixels_changed == ("bytes behind the last pixel",)


def seen(sop_class, **values):
    table = procedure()
    return burned_in(small(CLASS + sop_class, **values), table.classes[CLASS + sop_class], table)


@pytest.mark.parametrize(
    ("sop_class", "values", "state"),
    [
        ("2", {}, "clear"),
        ("2", {"BurnedInAnnotation": "YES"}, "needs_review"),
        ("2", {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "needs_review"),
        ("4", {"PhotometricInterpretation": "RGB"}, "needs_review"),
        ("1", {}, "needs_review"),
        ("1.1", {"BurnedInAnnotation": "NO"}, "declared"),
        ("6.1", {}, "needs_review"),
        ("6.1", {"BurnedInAnnotation": "NO"}, "declared"),
        ("7", {"ConversionType": "SI", "BurnedInAnnotation": "NO"}, "needs_review"),
        ("12.1", {}, "needs_review"),
        ("20", {}, "needs_review"),
        ("66.4", {}, "clear"),
    ],
)
def test_text_in_the_pixels_is_expected_by_kind_and_flags(sop_class, values, state):
    found = seen(sop_class, **values)

    assert found.state == state
    assert bool(found.reasons) == (state != "clear")


def test_covariates_are_told_in_a_form_that_may_stay():
    dataset = small(
        PatientSex="F", PatientAge="067Y", Manufacturer="SIEMENS Healthineers AG",
        ManufacturerModelName="SOMATOM Force", ConvolutionKernel="Br40", KVP="120.0",
        SliceThickness="1.50", LossyImageCompression="00", BodyPartExamined="DOE",
        ContrastBolusAgent="Omnipaque for Jane",
    )  # fmt: skip

    assert dict(deidentify(written(dataset), KEY).covariates) == {
        "sex": "F", "age_band": "60-69", "manufacturer": "SIEMENS", "model": "SOMATOM Force",
        "kernel": "Br40", "modality": "CT", "kvp": "120", "slice_thickness_mm": "1.5",
        "contrast": "yes", "lossy": "no",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "band"),
    [({"PatientAge": "095Y"}, "90+"), ({"PatientAge": "008M"}, "0-9"),
     ({"PatientBirthDate": "19501231", "StudyDate": "20200304"}, "60-69"),
     ({"PatientBirthDate": "1950", "StudyDate": "20200304"}, None), ({}, None)],
)  # fmt: skip
def test_an_age_is_told_by_decades(values, band):
    assert deidentify(written(small(**values)), KEY).covariates.get("age_band") == band


def test_keys_are_long_and_told_apart_without_being_told():
    with pytest.raises(ValueError, match="32 bytes"):
        Identity(b"short")
    other = Identity(bytes(32))

    assert KEY.key_id != other.key_id
    assert KEY.key.hex()[:12] != KEY.key_id
    uid = int(KEY.uid("1.2.3").removeprefix("2.25."))
    assert (uid >> 76 & 15, uid >> 62 & 3) == (8, 2)  # a UUID of version 8


def test_the_report_counts_and_names_nothing_that_was_removed():
    report = Report(KEY)
    for number in range(3):
        dataset = small(CLASS + "6.1", SOPInstanceUID=f"1.2.3.{number}", PatientID="SECRET",
                        StudyDescription="Smith", StudyDate="20200304")  # fmt: skip
        report.add(deidentify(written(dataset), KEY), f"files/{number}.dcm", "00")
    report.refuse(4, "deid_class", "No table.")

    said = report.to_json(all_files=False)

    assert (said["n_files"], said["n_written"], said["n_refused"]) == (4, 3, 1)
    assert said["n_patients"] == 1
    assert said["burned_in"] == {"clear": 0, "declared": 0, "needs_review": 3}
    assert said["procedure"]["version"] == procedure().version
    rows = {(row["keyword"], row["action"]): row["count"] for row in said["tags"]}
    assert rows["StudyDescription", "X"] == 3
    assert rows["PatientID", "P"] == 3
    assert sum(rows.values()) == sum(one["elements"] for one in said["actions"].values())
    text = json.dumps(said)
    assert not any(word in text for word in ("SECRET", "Smith", "20200304", "1.2.3.", "Doe"))


def test_items_of_removed_sequences_are_not_looked_into():
    dataset = small(OriginalAttributesSequence=[item(PatientName="Doe^Jane")])

    assert "OriginalAttributesSequence" not in cleaned(dataset)
