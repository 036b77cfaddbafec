"""What the functional groups of an enhanced multi-frame file say of each of its frames."""

from pydicom.dataset import Dataset

_GROUPS = (
    ("PlanePositionSequence", ("ImagePositionPatient",)),
    ("PlaneOrientationSequence", ("ImageOrientationPatient",)),
    ("PixelMeasuresSequence", ("PixelSpacing", "SpacingBetweenSlices", "SliceThickness")),
    ("PixelValueTransformationSequence", ("RescaleSlope", "RescaleIntercept")),
    ("FrameVOILUTSequence", ("WindowCenter", "WindowWidth", "VOILUTFunction")),
    ("SegmentIdentificationSequence", ("ReferencedSegmentNumber",)),
)


def has_groups(dataset: Dataset) -> bool:
    """Whether its frames are described one by one."""
    return bool(dataset.get("PerFrameFunctionalGroupsSequence"))


def of_frame(dataset: Dataset, index: int) -> Dataset:
    """The attributes of one frame, as a classic file would have them.

    A group of the frame itself goes before the one that all frames share; what neither says is
    left out. A classic file is returned as it is.

    Args:
        dataset: of the whole file.
        index: of the frame, from 0.

    Source:
        DICOM PS3.3, C.7.6.16
    """
    if not has_groups(dataset):
        return dataset
    each = dataset.PerFrameFunctionalGroupsSequence
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    own = each[index] if index < len(each) else Dataset()
    found = Dataset()
    for sequence, names in _GROUPS:
        items = own.get(sequence) or shared[0].get(sequence) or [Dataset()]
        for name in names:
            value = items[0].get(name)
            if value is not None:
                setattr(found, name, value)
    return found
