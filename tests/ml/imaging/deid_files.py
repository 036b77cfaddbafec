"""DICOM files for the tests of de-identification; most are the small ones that pydicom brings."""

import io
import re
import runpy
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from ml.imaging.deid.engine import deidentify
from ml.imaging.deid.keyed import Identity

KEY = Identity(bytes(range(32)))
OTHER_KEY = Identity(bytes(range(1, 33)))

# Of every kind, encoding and compression that pydicom's own files show.
_NAMES = """
693_J2KI.dcm CT_small.dcm ExplVR_BigEnd.dcm GDCMJ2K_TextGBR.dcm J2K_pixelrep_mismatch.dcm
JPEG2000.dcm JPEGLSNearLossless_16.dcm JPGExtended.dcm MR_small.dcm MR_small_RLE.dcm
MR_small_bigendian.dcm MR_small_expb.dcm MR_small_implicit.dcm MR_small_jp2klossless.dcm
MR_small_jpeg_ls_lossless.dcm MR_small_padded.dcm SC_rgb_dcmtk_+eb+cr.dcm SC_rgb_gdcm_KY.dcm
SC_rgb_jls_lossy_sample.dcm SC_rgb_jpeg_gdcm.dcm SC_rgb_rle_16bit_2frame.dcm SC_rgb_rle_32bit.dcm
SC_rgb_small_odd.dcm SC_rgb_small_odd_big_endian.dcm SC_ybr_full_422_uncompressed.dcm
examples_jpeg2k.dcm examples_overlay.dcm examples_palette.dcm examples_rgb_color.dcm
examples_ybr_color.dcm image_dfl.dcm liver_1frame.dcm liver_expb_1frame.dcm
"""
FIXTURES = _NAMES.split()


def fixture(name):
    return Path(get_testdata_file(name)).read_bytes()


def read(data):
    return dcmread(io.BytesIO(data))


def _value(value):
    items = isinstance(value, list) and isinstance(value[0], Dataset)
    return Sequence(value) if items else value


def item(**values):
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, _value(value))
    return made


def written(dataset):
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def small(sop_class="1.2.840.10008.5.1.4.1.1.2", **values):
    """A file of 4 x 4 pixels of one kind, with some attributes more."""
    dataset = item(
        SOPClassUID=sop_class, SOPInstanceUID="1.2.3.1", StudyInstanceUID="1.2.3.2",
        SeriesInstanceUID="1.2.3.3", PatientID="P-1", PatientName="Doe^Jane", Modality="CT",
        Rows=4, Columns=4, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0, PixelData=bytes(16),
    )  # fmt: skip
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.1"
    for keyword, value in values.items():
        setattr(dataset, keyword, _value(value))
    return dataset


def cleaned(dataset, identity=KEY):
    """De-identified, and read again."""
    return read(deidentify(written(dataset), identity).data)


def planted(repo_root, folder, monkeypatch):
    """The file of 46 planted identifiers that lies beside the project, as folder/phi.dcm."""
    script = repo_root.parent / "shared" / "attack" / "make_phi_canary.py"
    if not script.exists():
        pytest.skip("the file of planted identifiers is not beside the project")
    monkeypatch.chdir(folder)
    runpy.run_path(str(script))
    data = (folder / "phi.dcm").read_bytes()
    words = set(re.findall(rb"CNRY[_^][A-Z0-9_^]+", data))
    assert len(words) == 46
    return data
