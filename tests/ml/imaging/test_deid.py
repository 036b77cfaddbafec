"""De-identification as a whole: what leaves no file, and what stays as it was."""

import io
import logging
import re
import warnings

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ml.imaging.deid.engine import deidentify
from ml.imaging.deid.procedure import procedure
from ml.imaging.picture import ImageError
from tests.ml.imaging.deid_files import (
    FIXTURES,
    KEY,
    OTHER_KEY,
    cleaned,
    fixture,
    item,
    planted,
    read,
    small,
    written,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom warns of its own odd files

GEOMETRY = (
    "Rows", "Columns", "NumberOfFrames", "PixelSpacing", "ImagePositionPatient",
    "ImageOrientationPatient", "SliceThickness", "SpacingBetweenSlices", "RescaleSlope",
    "RescaleIntercept", "WindowCenter", "WindowWidth", "BitsStored", "PixelRepresentation",
    "PhotometricInterpretation", "PlanarConfiguration", "SliceLocation", "ImagerPixelSpacing",
)  # fmt: skip
TEXTS = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "CS", "UN"}
CANARY = "ZZQX"


@pytest.mark.parametrize("name", FIXTURES)
def test_pixels_and_geometry_stay_as_they_were(name):
    before = read(fixture(name))
    after = read(deidentify(fixture(name), KEY).data)

    assert np.array_equal(before.pixel_array, after.pixel_array)
    for keyword in GEOMETRY:
        assert after.get(keyword) == before.get(keyword), keyword
    if not before.file_meta.TransferSyntaxUID.is_deflated:
        assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
    assert after.PatientIdentityRemoved == "YES"


def functional_groups(dataset):
    """Position, orientation and spacing of every frame."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    measures = shared.PixelMeasuresSequence[0]
    return [
        (
            frame.PlanePositionSequence[0].ImagePositionPatient,
            shared.PlaneOrientationSequence[0].ImageOrientationPatient,
            measures.PixelSpacing,
            measures.SliceThickness,
            frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber,
            frame.FrameContentSequence[0].DimensionIndexValues,
        )
        for frame in dataset.PerFrameFunctionalGroupsSequence
    ]


def test_frames_of_a_segmentation_lie_where_they_lay():
    before, after = (read(data) for data in (
        fixture("liver_1frame.dcm"), deidentify(fixture("liver_1frame.dcm"), KEY).data
    ))  # fmt: skip

    assert functional_groups(after) == functional_groups(before)
    segment = after.SegmentSequence[0]
    assert segment.SegmentLabel == before.SegmentSequence[0].SegmentLabel
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Liver"


def test_the_planted_identifiers_are_gone(repo_root, tmp_path, monkeypatch):
    data = planted(repo_root, tmp_path, monkeypatch)
    others = [b"Smith", b"19500102", b"20200304", b"095Y", b"1.2.826.0.1.3680043.8.498.777"]

    done = deidentify(data, KEY)

    assert [one for one in others if one in done.data] == []
    assert b"CNRY" not in done.data


def full_of_canaries(sop_class):
    """A text in every public attribute that can hold one, and in all sequences that stay."""
    rules = procedure().classes[sop_class].rules
    inner = Dataset()
    _plant(inner, {*rules, "PatientAddress", "ImageComments", "OperatorsName"})
    dataset = small(sop_class, PatientName=CANARY, InstitutionName=CANARY.lower())
    _plant(dataset, {entry[4] for entry in DicomDictionary.values()})
    for keyword in (keyword for keyword, rule in rules.items() if rule == "S"):
        setattr(dataset, keyword, Sequence([inner]))
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "LO", CANARY)
    block.add_new(0x77, "LO", CANARY)
    dataset.add_new(0x60003000, "OB", CANARY.encode())
    dataset.preamble = CANARY.encode().ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = CANARY
    return written(dataset)


def _plant(dataset, keywords):
    kept = {"SOPClassUID", "SOPInstanceUID", "PhotometricInterpretation", "SpecificCharacterSet"}
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        if keyword in keywords - kept - {""} and tag >> 16 > 2 and vr in TEXTS:
            dataset.add_new(tag, "LO" if vr == "UN" else vr, CANARY)


@pytest.mark.parametrize("kind", ["4.1", "88.33", "66.4"])
def test_no_attribute_of_the_dictionary_carries_a_name_through(kind):
    sop_class = f"1.2.840.10008.5.1.4.1.1.{kind}"
    data = full_of_canaries(sop_class)
    assert data.count(CANARY.encode()) > 2000

    done = deidentify(data, KEY)

    assert CANARY.encode() not in done.data.upper()


def test_what_is_no_member_of_the_table_is_removed():
    dataset = small(ImageComments="a comment", StudyDescription="head", ProtocolName="neuro")
    dataset.add_new(0x00104FFF, "UN", b"unknown ")

    after = cleaned(dataset)

    assert {"ImageComments", "StudyDescription", "ProtocolName"}.isdisjoint(after.dir())
    assert (0x0010, 0x4FFF) not in after


def test_the_same_key_makes_the_same_file_again_and_another_key_another():
    data = fixture("CT_small.dcm")
    first, second = deidentify(data, KEY), deidentify(data, KEY)
    other = deidentify(data, OTHER_KEY)

    assert first.data == second.data
    a, b = read(first.data), read(other.data)
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "PatientID", "StudyDate"):
        assert a[keyword].value != b[keyword].value, keyword


def test_dates_of_a_patient_move_by_the_same_days_in_all_files():
    first = cleaned(small(StudyDate="20200301", AcquisitionDateTime="20200303101112"))
    second = cleaned(small(StudyDate="20200311", SOPInstanceUID="1.2.3.9"))
    else_ = cleaned(small(StudyDate="20200301", PatientID="P-2"))

    as_days = [np.datetime64(f"{d[:4]}-{d[4:6]}-{d[6:8]}") for d in (
        first.StudyDate, first.AcquisitionDateTime, second.StudyDate
    )]  # fmt: skip
    assert (as_days[1] - as_days[0]).astype(int) == 2
    assert (as_days[2] - as_days[0]).astype(int) == 10
    assert first.AcquisitionDateTime.endswith("101112")
    assert else_.StudyDate != first.StudyDate
    assert first.LongitudinalTemporalInformationModified == "MODIFIED"


def test_references_between_files_stay_true():
    source = small(SOPInstanceUID="1.2.3.50", FrameOfReferenceUID="1.2.3.60")
    pointing = small(
        SOPInstanceUID="1.2.3.51", FrameOfReferenceUID="1.2.3.60",
        SourceImageSequence=[item(
            ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID="1.2.3.50"
        )],
    )  # fmt: skip

    one, two = cleaned(source), cleaned(pointing)

    reference = two.SourceImageSequence[0]
    assert reference.ReferencedSOPInstanceUID == one.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert two.FrameOfReferenceUID == one.FrameOfReferenceUID
    assert two.StudyInstanceUID == one.StudyInstanceUID
    assert one.SOPInstanceUID.is_valid
    assert one.SOPInstanceUID.startswith("2.25.")
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID


def test_a_patient_has_one_pseudonym_and_no_name():
    one, two = cleaned(small()), cleaned(small(PatientName="DOE^J", SOPInstanceUID="1.2.3.9"))

    assert one.PatientID == two.PatientID == one.PatientName
    assert re.fullmatch("[0-9A-F]{16}", one.PatientID)


@pytest.mark.parametrize(("before", "after"), [("095Y", "090Y"), ("089Y", "089Y"), ("003M", "003M"),
                                               ("old", None)])  # fmt: skip
def test_ages_above_89_are_put_together(before, after):
    assert cleaned(small(PatientAge=before)).get("PatientAge") == after


def test_only_options_that_are_true_are_claimed():
    def codes(dataset):
        return [one.CodeValue for one in cleaned(dataset).DeidentificationMethodCodeSequence]

    assert codes(small()) == ["113100"]
    assert codes(small(StudyDate="20200301", PatientSex="F")) == ["113100", "113107", "113108"]
    dataset = small()
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    assert codes(dataset) == ["113100", "113111"]


def test_of_private_elements_the_short_list_stays():
    dataset = small()
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x0D, "LO", "1")  # of another type than it has
    block.add_new(0x11, "LO", "name")
    other = dataset.private_block(0x0019, "SOMEBODY", create=True)
    other.add_new(0x0C, "IS", "7")

    after = cleaned(dataset)

    kept = after.private_block(0x0019, "SIEMENS MR HEADER")
    assert kept[0x0C].value == 1000
    assert 0x0D not in kept
    assert 0x11 not in kept
    with pytest.raises(KeyError):
        after.private_block(0x0019, "SOMEBODY")


def test_a_kept_text_may_not_hold_a_word_of_a_name():
    dataset = small(
        PatientName="Baggins^Frodo", ManufacturerModelName="Frodo 5", BodyPartExamined="BAGGINS",
        Manufacturer="GE at Baggins House", ConvolutionKernel="SOFT", SoftwareVersions="123456",
    )  # fmt: skip

    after = cleaned(dataset)

    assert after.Manufacturer == "GE"
    assert after.ConvolutionKernel == "SOFT"
    assert {"ManufacturerModelName", "BodyPartExamined", "SoftwareVersions"}.isdisjoint(after.dir())


def test_codes_have_the_meaning_of_the_dictionary_and_not_their_own():
    coded = item(CodeValue="10200004", CodingSchemeDesignator="SCT", CodeMeaning="Mrs Smith")
    own = item(CodeValue="SMITH", CodingSchemeDesignator="99HOSP", CodeMeaning="Mrs Smith")
    disguised = item(CodeValue="SMITH", CodingSchemeDesignator="SCT", CodeMeaning="x")

    after = cleaned(small(AnatomicRegionSequence=[coded, own, disguised]))

    found = [(one.CodeValue, one.CodeMeaning) for one in after.AnatomicRegionSequence]
    assert found == [("10200004", "Liver"), ("removed", "removed"), ("removed", "removed")]


def test_of_a_report_texts_and_people_go_and_numbers_stay():
    number = item(
        ValueType="NUM", RelationshipType="CONTAINS",
        MeasuredValueSequence=[item(NumericValue="12.5", MeasurementUnitsCodeSequence=[
            item(CodeValue="mm", CodingSchemeDesignator="UCUM", CodeMeaning="millimeter")])],
    )  # fmt: skip
    text = item(ValueType="TEXT", RelationshipType="CONTAINS", TextValue="Mrs Smith came in")
    who = item(ValueType="PNAME", RelationshipType="CONTAINS", PersonName="Smith^Anna")
    dataset = small("1.2.840.10008.5.1.4.1.1.88.33", Modality="SR",
                    ContentSequence=[number, text, who], VerificationFlag="VERIFIED")  # fmt: skip

    after = cleaned(dataset)

    kept, said, person = after.ContentSequence
    assert kept.MeasuredValueSequence[0].NumericValue == 12.5
    assert said.TextValue == "removed"
    assert person.PersonName == "removed"
    assert after.VerificationFlag == "UNVERIFIED"


def test_structures_are_named_by_words_of_anatomy_alone():
    names = ["GTV", "Lung_L", "PTV 2", "Smith liver", "Dr. Jones"]
    dataset = small(
        "1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT", StructureSetLabel="Smith plan",
        StructureSetROISequence=[item(ROINumber=n, ROIName=name) for n, name in enumerate(names)],
        ROIContourSequence=[item(ContourSequence=[item(ContourData=[1.5, 2.5, 3.5])])],
    )  # fmt: skip

    after = cleaned(dataset)

    found = [one.ROIName for one in after.StructureSetROISequence]
    assert found == ["GTV", "Lung_L", "PTV 2", "structure", "structure"]
    assert after.StructureSetLabel == "removed"
    assert after.ROIContourSequence[0].ContourSequence[0].ContourData == [1.5, 2.5, 3.5]


def code_of(data):
    with pytest.raises(ImageError) as error:
        deidentify(data, KEY)
    return error.value.code, error.value.message


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (lambda: fixture("rtdose.dcm"), "deid_class"),
        (lambda: fixture("CT_small.dcm")[:132], "no_dataset"),
        (lambda: written(small(PhotometricInterpretation="SMITH JOHN")), "deid_form"),
        (lambda: written(small(SOPInstanceUID="")), "deid_form"),
    ],
)
def test_what_cannot_be_done_safely_is_refused(data, code):
    assert code_of(data())[0] == code


def test_neither_messages_nor_warnings_nor_logs_repeat_the_file(capsys, caplog, recwarn):
    warnings.simplefilter("always")
    dataset = small(PatientAge="095Y", StudyDate="20200301")
    data = written(dataset).replace(b"20200301", b"Smith^An").replace(b"P-1 ", b"\xff\xfeP1")
    with caplog.at_level(logging.DEBUG, "pydicom"):
        done = deidentify(data, KEY)
        said = code_of(written(small()).replace(b"MONOCHROME2 ", b"Smith^Anna  "))[1]

    out = "".join([*capsys.readouterr(), caplog.text, *(str(w.message) for w in recwarn), said])
    assert "Smith" not in out
    assert b"Smith" not in done.data


def test_the_procedure_names_attributes_that_exist_and_says_what_it_does():
    table = procedure()
    known = {entry[4] for entry in DicomDictionary.values()}

    for kind in table.classes.values():
        assert set(kind.rules) <= known
        assert {rule[0] for rule in kind.rules.values()} <= set(table.actions)
        for keyword, rule in kind.rules.items():
            assert rule != "D" or keyword in table.dummies
    free = {"LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "UN", "AE", "DA", "DT", "AS"}
    vr_of = {entry[4]: entry[0] for entry in DicomDictionary.values()}
    for kind in table.classes.values():
        kept = {keyword for keyword, rule in kind.rules.items() if rule == "K"}
        assert [keyword for keyword in kept if vr_of[keyword] in free] == []


def test_every_kind_the_procedure_promises_can_be_written():
    for uid, kind in procedure().classes.items():
        after = cleaned(small(uid, Modality="OT"))
        assert after.SOPClassUID == uid
        assert (kind.burned_in == "none") or after.PixelData == bytes(16)


def test_a_file_without_a_patient_is_known_by_its_study():
    one = small()
    del one.PatientID
    two = small(SOPInstanceUID="1.2.3.9")
    del two.PatientID

    first, second = cleaned(one), cleaned(two)

    assert first.PatientID == second.PatientID != ""
    dcmread(io.BytesIO(written(first)))


def test_a_modality_that_nobody_knows_becomes_another_one():
    assert cleaned(small(Modality="SMITH JOHN")).Modality == "OT"
    assert cleaned(small(Modality="MR")).Modality == "MR"
