"""Enhanced CT and segmentations, written attribute by attribute."""

import io
import warnings

import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pack_bits
from pydicom.uid import ExplicitVRLittleEndian

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"


def item(**values):
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def saved(dataset):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()


def opened(data):
    return dcmread(io.BytesIO(data))


def series(
    values, *, step=(0, 0, 2.5), start=(10, 20, 30), tilted=None, slopes=None, uid="1.2.9", **more
):
    """(slices, rows, columns) of int16 as one CT file a slice.

    ``tilted``: degrees that the rows are turned about the patient's x, as an oblique scan.
    """
    angle = np.radians(tilted or 0)
    files = []
    for number, plane in enumerate(np.asarray(values, dtype=np.int16)):
        dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
        dataset.preamble = bytes(128)
        dataset.SOPInstanceUID = f"{uid}.{number + 1}"
        dataset.Rows, dataset.Columns = plane.shape
        dataset.PixelSpacing = [0.5, 0.75]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, np.cos(angle), np.sin(angle)]
        dataset.ImagePositionPatient = list(np.add(start, np.multiply(step, number)))
        dataset.RescaleSlope, dataset.RescaleIntercept = (slopes or {}).get(number, 1), -1024
        dataset.PixelData = plane.tobytes()
        for name, value in more.items():
            setattr(dataset, name, value)
        files.append(saved(dataset))
    return files


def enhanced(files, order=None):
    """The slices of a series as the frames of one enhanced CT file."""
    each = [opened(data) for data in files]
    each = each if order is None else [each[at] for at in order]
    first = each[0]
    dataset = opened(files[0])
    for name in (
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope",
        "RescaleIntercept", "WindowCenter", "WindowWidth",
    ):  # fmt: skip
        if name in dataset:
            delattr(dataset, name)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ENHANCED_CT
    dataset.NumberOfFrames = len(each)
    dataset.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=first.ImageOrientationPatient)],
            PixelMeasuresSequence=[item(PixelSpacing=first.PixelSpacing)],
            # Overruled by each frame's own.
            PixelValueTransformationSequence=[item(RescaleSlope=99, RescaleIntercept=0)],
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=one.ImagePositionPatient)],
            PixelValueTransformationSequence=[
                item(RescaleSlope=one.RescaleSlope, RescaleIntercept=one.RescaleIntercept)
            ],
        )
        for one in each
    ]
    dataset.PixelData = b"".join(one.PixelData for one in each)
    return dataset


def segmentation(files, frames, *, kind="BINARY", most=None, segments=None, flat=False):
    """A SEG of a series.

    Args:
        frames: (number of the slice, number of the segment, (rows, columns)), one a frame.
        most: what fraction 1 is.
        segments: their numbers; as the frames say.
    """
    source = [opened(data) for data in files]
    dataset = Dataset()
    dataset.file_meta = source[0].file_meta
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    sop = LABEL_MAP if kind == "LABELMAP" else SEGMENTATION
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.8.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.8.2", "1.2.8.3"
    dataset.Modality, dataset.PatientID = "SEG", "x"
    pixels = np.stack([plane for _, _, plane in frames]).astype(np.uint8)
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = 1 if kind == "BINARY" else 8
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    dataset.SegmentationType = kind
    if most is not None:
        dataset.MaximumFractionalValue = most
    numbers = segments or sorted({segment for _, segment, _ in frames})
    dataset.SegmentSequence = [item(SegmentNumber=number) for number in numbers]
    shared = item(
        PlaneOrientationSequence=[item(
            ImageOrientationPatient=source[0].ImageOrientationPatient)],
        PixelMeasuresSequence=[item(PixelSpacing=source[0].PixelSpacing, SliceThickness=2.5)],
    )  # fmt: skip
    dataset.SharedFunctionalGroupsSequence = [Dataset() if flat else shared]
    dataset.PerFrameFunctionalGroupsSequence = [
        item(
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=segment)],
            **({} if flat else {"PlanePositionSequence": [item(
                ImagePositionPatient=source[number].ImagePositionPatient)]}),
        )
        for number, segment, _ in frames
    ]  # fmt: skip
    dataset.PixelData = pack_bits(pixels.ravel()) if bits == 1 else pixels.tobytes()
    dataset["PixelData"].VR = "OB"
    return dataset
