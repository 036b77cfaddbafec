"""Foreign cohorts for a model of brain MR: what it was not made for, from near to far.

Slices and pictures become PNG of 8 bits, as the images are that the model was made for. What is
counted are patients: a volume gives many slices of one of them.
"""

import gzip
import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image

from demo import folders
from demo.packages import PYDICOM_DATA, PYRADIOMICS, SCIKIT_IMAGE, PackageError, Say, fetch, unpack

Pixels = NDArray[np.float64]
STEP = 3  # every third slice of a volume
MOST_BYTES = 60_000_000  # of one file of an archive
_TYPES = {"short": "<i2", "unsigned short": "<u2", "int": "<i4", "float": "<f4", "double": "<f8"}
COLUMNS = (
    "case_id", "patient_id", "image", "modality", "body_part", "width_px", "height_px",
    "colour_mode", "file_format", "grey_mean", "grey_sd",
)  # fmt: skip


@dataclass(frozen=True)
class Volume:
    """A volume of one patient in an archive."""

    patient: str
    member: str
    window: tuple[float, float] | None = None  # lowest and highest shown; None: the volume's own


@dataclass(frozen=True)
class Lone:
    """One picture of one patient in an archive or wheel."""

    patient: str
    member: str


@dataclass(frozen=True)
class Cohort:
    folder: str
    title: str
    modality: str
    body_part: str
    source: str
    licence: str
    of: tuple[Volume | Lone, ...]
    kind: str = "far"  # of foreign: ml.beside.KINDS


_LUNG = (-1350.0, 150.0)  # Hounsfield units: the usual window of 1500 around -600
_RADIOMICS = "pyradiomics-3.0.1/data/{}_image.nrrd"
_BSD = "pyradiomics 3.0.1, source archive; licence of the package: BSD-3-Clause"
_MIT = "pydicom-data 1.0.0; licence of the package: MIT"
_OPEN = (
    "scikit-image 0.26.0, source archive; retina: CC0 (Häggström 2014), histology: no known "
    "copyright restrictions, both as the package says"
)


def _volumes(*names: str, window: tuple[float, float] | None = None) -> tuple[Volume, ...]:
    return tuple(Volume(name, _RADIOMICS.format(name), window) for name in names)


def _lone(**files: str) -> tuple[Lone, ...]:
    return tuple(Lone(patient, f"data_store/data/{name}.dcm") for patient, name in files.items())


COHORTS = (
    Cohort("other-brain-mr", "other brain MR", "MR", "BRAIN", "pyradiomics", _BSD,
           _volumes("brain1", "brain2"), "shifted"),
    Cohort("head-ct", "head CT", "CT", "HEAD", "pydicom", _MIT, _lone(cq500="693_UNCR")),
    Cohort("chest-ct", "chest CT", "CT", "CHEST", "pyradiomics", _BSD,
           _volumes("lung1", "lung2", window=_LUNG)),
    Cohort("breast-mr", "breast MR", "MR", "BREAST", "pyradiomics", _BSD,
           _volumes("breast1"), "near"),
    Cohort("radiographs", "radiographs", "CR", "CHEST, EXTREMITY", "pydicom", _MIT,
           _lone(rg1="RG1_UNCR", rg3="RG3_UNCR")),
    Cohort("ultrasound", "ultrasound", "US", "", "pydicom", _MIT,
           _lone(us1="US1_UNCR", ob="OBXXXX1A", aloka="gdcm-US-ALOKA-16", echo="color-px")),
    Cohort("fundus-histology", "fundus and histology", "photograph", "", "skimage", _OPEN,
           (Lone("retina", "scikit_image-0.26.0/src/skimage/data/retina.jpg"),
            Lone("ihc", "scikit_image-0.26.0/src/skimage/data/ihc.png"))),
)  # fmt: skip


@dataclass(frozen=True)
class Built:
    """What was written, in numbers."""

    folder: Path
    n_cases: int
    n_patients: int


def build(cache: Path, out: Path, *, say: Say = print) -> list[Built]:
    """Write one cohort folder for each of ``COHORTS`` under ``out``.

    Raises:
        PackageError: where a package or a file in it is another one.
    """
    data = unpack(PYDICOM_DATA, cache, say)
    read: dict[str, Callable[[str], bytes]] = {
        "pydicom": lambda member: (data / member).read_bytes(),
        "pyradiomics": reader_of(fetch(PYRADIOMICS, cache, say)),
        "skimage": reader_of(fetch(SCIKIT_IMAGE, cache, say)),
    }
    found = []
    for cohort in COHORTS:
        built = _write(cohort, read[cohort.source], out / cohort.folder)
        say(f"{cohort.title}: {built.n_cases} pictures of {built.n_patients} patients.")
        found.append(built)
    return found


def _write(cohort: Cohort, read: Callable[[str], bytes], out: Path) -> Built:
    rows: list[tuple[folders.Cell, ...]] = []
    with folders.replaced(out) as folder:
        (folder / "images").mkdir()
        for one in cohort.of:
            for number, picture in _pictures(one, read(one.member)):
                case = f"{one.patient}-{number:03d}"
                picture.save(folder / "images" / f"{case}.png")
                grey = np.asarray(picture.convert("L"), dtype=np.float64)
                rows.append(
                    (case, one.patient, f"images/{case}.png", cohort.modality, cohort.body_part,
                     picture.width, picture.height, picture.mode, "PNG",
                     round(float(grey.mean()), 1), round(float(grey.std()), 1))
                )  # fmt: skip
        folders.write_csv(folder / "cases.csv", COLUMNS, rows)
        folders.write_yaml(folder / "cohort.yaml", describe(cohort, len(rows)))
    return Built(out, len(rows), len(cohort.of))


def describe(cohort: Cohort, n: int) -> dict[str, object]:
    """The content of cohort.yaml."""
    shown = (
        "a window of -1350 to 150 HU"
        if any(isinstance(one, Volume) and one.window for one in cohort.of)
        else "the whole range of each volume or picture"
    )
    return {
        "title": cohort.title,
        "task": "classification",
        "modality": cohort.modality,
        "notes": (
            f"For demonstration: foreign to a model of brain MR.\n{n} pictures of "
            f"{len(cohort.of)} patients: count patients, not pictures. Of volumes every third "
            f"slice, of 8 bits, {shown}.\nSource: {cohort.licence}."
        ),
    }


def _pictures(one: Volume | Lone, data: bytes) -> list[tuple[int, Image.Image]]:
    """Numbered pictures of a file, of 8 bits."""
    if isinstance(one, Lone):
        return [(0, _lone_picture(one.member, data))]
    volume = read_nrrd(data)
    low, high = one.window or (float(volume.min()), float(volume.max()))
    return [
        (at, Image.fromarray(_eight_bits(volume[at], low, high)))
        for at in range(0, len(volume), STEP)
    ]


def _lone_picture(member: str, data: bytes) -> Image.Image:
    if not member.endswith(".dcm"):
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            return image.convert("RGB")
    dataset = pydicom.dcmread(io.BytesIO(data))
    pixels = np.asarray(dataset.pixel_array)
    if int(dataset.SamplesPerPixel) > 1:
        return Image.fromarray(pixels.astype(np.uint8))
    grey = pixels.astype(np.float64)
    shown = _eight_bits(grey, float(grey.min()), float(grey.max()))
    inverse = dataset.PhotometricInterpretation == "MONOCHROME1"
    return Image.fromarray(255 - shown if inverse else shown)


def _eight_bits(pixels: Pixels, low: float, high: float) -> NDArray[np.uint8]:
    """Linear from low (black) to high (white), what lies beyond is cut.

    >>> _eight_bits(np.array([[-1.0, 0.0, 5.0, 10.0]]), 0.0, 10.0).tolist()
    [[0, 0, 127, 255]]
    """
    share = (pixels - low) / max(high - low, 1e-9)
    return (share.clip(0, 1) * 255).astype(np.uint8)


def read_nrrd(data: bytes) -> Pixels:
    """The volume (slices, rows, columns) of an NRRD file of three axes, raw or gzip.

    Raises:
        ValueError: where it is anything else.

    Source:
        teem.sourceforge.net/nrrd/format.html
    """
    head, blank, body = data.partition(b"\n\n")
    lines = head.decode("ascii").splitlines()
    if not blank or not lines[0].startswith("NRRD"):
        raise ValueError("no NRRD file")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line and line[0] != "#")
    sizes = [int(size) for size in fields["sizes"].split()]
    if len(sizes) != 3 or fields.get("endian", "little") != "little":
        raise ValueError(f"expected three axes, little-endian, got {fields}")
    if fields["encoding"] in ("gzip", "gz"):
        body = gzip.decompress(body)
    elif fields["encoding"] != "raw":
        raise ValueError(f"the encoding {fields['encoding']} is not read")
    numbers = np.frombuffer(body, np.dtype(_TYPES[fields["type"]]))
    volume = numbers.reshape(sizes[::-1]).astype(np.float64)
    # Rows that run from the back to the front would stand on their head.
    rows = fields.get("space directions", "(1,0,0) (0,1,0) (0,0,1)").split()[1]
    return volume[:, ::-1] if float(rows.strip("()").split(",")[1]) < 0 else volume


def reader_of(archive: Path) -> Callable[[str], bytes]:
    """Reads plain files of a source archive, whose code is not run."""

    def read(member: str) -> bytes:
        with tarfile.open(archive, "r:gz") as packed:
            found = next((one for one in packed if one.name == member), None)
            if found is None or not found.isreg() or found.size > MOST_BYTES:
                raise PackageError(f"{archive.name} holds no plain file {member}.")
            source = packed.extractfile(found)
            assert source is not None
            with source:
                return source.read()

    return read
