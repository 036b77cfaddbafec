import contextlib
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from ml.imaging import decode as decoding
from ml.imaging import dicom_pixels
from ml.imaging.decode import decode, media_type
from ml.imaging.dicom import OF_THE_KIND, read_header, reading
from ml.imaging.dicom_pixels import decoded
from ml.imaging.picture import ImageError


def dicom(path):
    return path.read_bytes()[128:132] == b"DICM"


def encoded(pixels, kind="PNG", mode=None):
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels), mode).save(file, kind)
    return file.getvalue()


def changed_dicom(name="CT_small.dcm", **tags):
    dataset = dcmread(get_testdata_file(name))
    for tag, value in tags.items():
        if value is None:
            delattr(dataset, tag)
        else:
            setattr(dataset, tag, value)
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def code_of(data):
    with pytest.raises(ImageError) as error:
        decode(data)
    assert "\n" not in error.value.message
    return error.value.code


@pytest.mark.parametrize(
    ("kind", "media"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("BMP", None)]
)
def test_the_first_bytes_decide(kind, media):
    assert media_type(encoded(np.zeros((2, 2), np.uint8), kind)) == media


def test_a_png_keeps_its_pixels():
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)

    picture = decode(encoded(pixels))

    assert (picture.width, picture.height, picture.bits, picture.mode) == (4, 3, 8, "L")
    assert np.array_equal(np.asarray(picture.eight_bits), pixels)
    assert picture.values is None


def test_sixteen_bits_are_scaled_for_eyes_and_kept_for_models():
    pixels = np.array([[0, 257, 65535]], dtype=np.uint16)

    picture = decode(encoded(pixels))

    assert picture.bits == 16
    assert np.asarray(picture.eight_bits).tolist() == [[0, 1, 255]]
    assert picture.values.tolist() == [[0, 257, 65535]]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"<html>", "image_unsupported"),
        (b"PK\x03\x04" + bytes(200), "image_unsupported"),
        (encoded(np.zeros((2, 2), np.uint8), "BMP"), "image_unsupported"),
        (encoded(np.zeros((50, 50), np.uint8))[:60], "image_unreadable"),
        (encoded(np.zeros((50, 50), np.uint8), "JPEG")[:200], "image_unreadable"),
        (b"\x89PNG\r\n\x1a\n", "image_unreadable"),
    ],
    ids=["empty", "html", "zip", "bmp", "cut-png", "cut-jpeg", "png-header"],
)
def test_pictures_that_cannot_be_used(data, code, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as a PDF library does
    assert code_of(data) == code


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_a_tiff_keeps_its_values(compression, kind):
    pixels = np.arange(12, dtype=kind).reshape(3, 4)
    if kind is np.uint16:
        pixels *= 257
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF", compression=compression)

    picture = decode(file.getvalue())

    assert (picture.media_type, picture.width, picture.height) == ("image/tiff", 4, 3)
    if kind is np.uint8:
        assert np.array_equal(np.asarray(picture.eight_bits), pixels)
    else:
        assert np.array_equal(picture.values, pixels)
        shown = np.asarray(picture.eight_bits)
        assert (shown[0, 0], shown[2, 3]) == ((0, 11) if kind is np.uint16 else (0, 255))
    assert code_of(file.getvalue()[:40]) == "image_unreadable"


def test_white_may_be_zero_in_a_tiff():
    file = io.BytesIO()
    pixels = np.array([[0, 65535]], dtype=np.uint16)
    Image.fromarray(pixels).save(file, "TIFF", tiffinfo={262: 0})

    picture = decode(file.getvalue())

    assert picture.inverted
    assert picture.values.tolist() == [[0, 65535]]
    assert np.asarray(picture.eight_bits).tolist() == [[255, 0]]


def test_tiffs_that_cannot_be_used(monkeypatch):
    file, page = io.BytesIO(), Image.fromarray(np.zeros((4, 4), np.uint8))
    page.save(file, "TIFF", save_all=True, append_images=[page])
    assert code_of(file.getvalue()) == "image_unsupported"
    assert code_of(encoded(np.full((2, 2), np.nan, np.float32), "TIFF")) == "image_unreadable"
    monkeypatch.setattr(decoding, "MOST_PIXELS", 3)
    assert code_of(encoded(np.zeros((2, 2), np.uint8), "TIFF")) == "pixel_limit"


def test_a_png_that_claims_a_hundred_gigapixels():
    header = struct.pack(">IIBBBBB", 400_000, 300_000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    data += struct.pack(">I", zlib.crc32(chunk))

    assert code_of(data) in ("pixel_limit", "image_unreadable")


def test_the_pixel_limit_comes_before_decoding(monkeypatch):
    monkeypatch.setattr(decoding, "MOST_PIXELS", 3)

    assert code_of(encoded(np.zeros((2, 2), np.uint8))) == "pixel_limit"


@pytest.mark.parametrize(
    ("name", "mode", "bits"),
    [
        ("CT_small.dcm", "MONOCHROME2", 16),
        ("MR_small_RLE.dcm", "MONOCHROME2", 16),
        ("MR_small_bigendian.dcm", "MONOCHROME2", 16),
        ("JPEG2000.dcm", "MONOCHROME2", 16),
        ("SC_rgb_jpeg_dcmtk.dcm", "YBR_FULL", 8),
        ("examples_palette.dcm", "PALETTE COLOR", 8),
        ("SC_rgb_rle_16bit.dcm", "RGB", 16),
    ],
)
def test_dicom_files_of_many_kinds(name, mode, bits):
    picture = decode(Path(get_testdata_file(name)).read_bytes())

    assert (picture.mode, picture.bits) == (mode, bits)
    assert picture.eight_bits.size == (picture.width, picture.height)
    assert (picture.values is None) == (picture.eight_bits.mode == "RGB")


def test_modality_units_window_and_inversion():
    plain = decode(changed_dicom(WindowCenter=50, WindowWidth=101))
    inverted = decode(
        changed_dicom(WindowCenter=50, WindowWidth=101, PhotometricInterpretation="MONOCHROME1")
    )

    dataset = dcmread(get_testdata_file("CT_small.dcm"))
    hounsfield = dataset.pixel_array.astype(float) - 1024
    assert np.array_equal(plain.values, hounsfield)
    shown = np.asarray(plain.eight_bits).astype(int)
    assert set(shown[hounsfield <= -1]) == {0}
    assert set(shown[hounsfield >= 100]) == {255}
    middle = (hounsfield > 0) & (hounsfield < 99)
    expected = ((hounsfield - 49.5) / 100 + 0.5) * 255
    assert np.abs(shown[middle] - expected[middle]).max() <= 0.5
    assert inverted.inverted
    assert np.array_equal(np.asarray(inverted.eight_bits), 255 - shown)


def test_of_several_frames_the_middle_one_is_shown():
    picture = decode(Path(get_testdata_file("SC_rgb_rle_2frame.dcm")).read_bytes())

    assert picture.frames == 2
    frames = dcmread(get_testdata_file("SC_rgb_rle_2frame.dcm")).pixel_array
    assert np.array_equal(np.asarray(picture.eight_bits), frames[1])


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({"PixelData": None}, "missing_attribute"),
        ({"PhotometricInterpretation": None}, "missing_attribute"),
        ({"Rows": None, "PixelData": None}, "unsupported_sop"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}, "unsupported_sop"),
        ({"Rows": 65535, "Columns": 65535}, "pixel_length"),
        ({"NumberOfFrames": 2**31 - 1}, "pixel_length"),
        ({"BitsAllocated": 64}, "bad_pixel_module"),
        ({"BitsStored": 17}, "bad_pixel_module"),
        ({"SamplesPerPixel": 2}, "bad_pixel_module"),
        ({"Rows": 0}, "bad_pixel_module"),
        ({"Rows": [128, 128]}, "bad_vr"),
        ({"RescaleSlope": 0}, "bad_rescale"),
        ({"WindowCenter": 1, "WindowWidth": 0}, "bad_rescale"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "bad_lut"),
    ],
)
def test_dicom_attributes_that_cannot_be(tags, code):
    assert code_of(changed_dicom(**tags)) == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("rtdose.dcm", "unsupported_sop"),
        ("test-SR.dcm", "unsupported_sop"),
        ("MR_truncated.dcm", "truncated"),
        ("JPEG-lossy.dcm", "decode_failed"),
    ],
)
def test_dicom_files_that_are_no_use(name, code):
    assert code_of(Path(get_testdata_file(name)).read_bytes()) == code


FILES = Path(str(get_testdata_file("CT_small.dcm"))).parent
OF_DICOM = [path for path in sorted(FILES.rglob("*")) if path.is_file() and dicom(path)]


def peers_pixels(path):
    """What pydicom gives, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = dcmread(path)
        try:
            return dataset.pixel_array
        except Exception:  # whatever it raises, it has no pixels
            return None


@pytest.mark.parametrize("path", OF_DICOM, ids=[str(path.relative_to(FILES)) for path in OF_DICOM])
def test_every_file_gives_the_pixels_that_pydicom_gives_or_is_refused(path):
    expected = peers_pixels(path)
    code, found = None, None
    try:
        with reading():
            found = decoded(read_header(path.read_bytes()))
    except ImageError as error:
        code = error.code

    if found is None:
        assert expected is None or code == "unsupported_sop"
        return
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


def test_most_files_are_read():
    """So that a reader which refuses all of them is noticed."""
    read = [path for path in OF_DICOM if peers_pixels(path) is not None]
    doses_and_segmentations = [path for path in read if path.name.startswith(("rtdose", "liver"))]

    assert (len(OF_DICOM), len(read), len(doses_and_segmentations)) == (163, 89, 8)


def test_a_header_and_nothing_else():
    assert code_of(bytes(128) + b"DICM") == "no_dataset"


def meta():
    data = Path(get_testdata_file("CT_small.dcm")).read_bytes()
    return data[: 144 + struct.unpack("<I", data[140:144])[0]]


def test_a_deflate_bomb_is_never_inflated():
    honest = Path(get_testdata_file("image_dfl.dcm")).read_bytes()
    end_of_meta = 144 + struct.unpack("<I", honest[140:144])[0]
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    element = struct.pack("<HH2sHI", 0x11, 0x1001, b"OB", 0, 1 << 28)
    bomb = squeeze.compress(element) + squeeze.compress(bytes(1 << 28)) + squeeze.flush()

    assert code_of(honest[:end_of_meta] + bomb) == "decompression_limit"


def test_a_decoder_is_not_asked_for_what_the_stream_alone_declares(monkeypatch):
    """64 x 64 pixels in the header, 60,000 x 60,000 in a JPEG 2000 stream: 7 GB in a decoder."""
    whole = Path(get_testdata_file("MR_small_jp2klossless.dcm")).read_bytes()
    at = whole.index(b"\xff\x4f\xff\x51") + 8
    forged = whole[:at] + struct.pack(">2I", 60_000, 60_000) + whole[at + 8 :]
    asked = []
    monkeypatch.setattr(dicom_pixels, "pixel_array", lambda dataset: asked.append(1))

    with pytest.raises(ImageError, match="60000 x 60000") as error:
        decode(forged)

    assert (error.value.code, asked) == ("decode_failed", [])


def test_sequences_nested_without_end():
    body = b""
    for _ in range(400):
        item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + body + b"\xfe\xff\x0d\xe0\0\0\0\0"
        body = struct.pack("<HH2sHI", 0x40, 0xA730, b"SQ", 0, 0xFFFFFFFF) + item
        body += b"\xfe\xff\xdd\xe0\0\0\0\0"

    assert code_of(meta() + body) == "nesting_limit"


def test_a_million_elements():
    elements = b"".join(
        struct.pack("<HH2sH", 0x11, element, b"SH", 0) for element in range(0x1000, 0x9000)
    )

    assert code_of(meta() + elements) == "element_limit"


def test_an_rle_bomb():
    dataset = dcmread(get_testdata_file("MR_small_RLE.dcm"))
    dataset.Rows = dataset.Columns = 65535
    dataset.file_meta.TransferSyntaxUID = RLELossless
    header = struct.pack("<16I", 1, 64, *([0] * 14))
    dataset.PixelData = encapsulate([header + b"\x81\x00" * 20_000])
    file = io.BytesIO()
    dataset.save_as(file)

    assert code_of(file.getvalue()) == "pixel_limit"


def tiff():
    file = io.BytesIO()
    Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6)).save(
        file, "TIFF", compression="tiff_lzw"
    )
    return file.getvalue()


@pytest.mark.parametrize(
    ("whole", "start"),
    [
        (Path(get_testdata_file("MR_small_RLE.dcm")).read_bytes(), 132),
        (Path(get_testdata_file("MR_small_jp2klossless.dcm")).read_bytes(), 132),
        (Path(get_testdata_file("image_dfl.dcm")).read_bytes(), 132),
        (tiff(), 8),
        (encoded(np.arange(99, dtype=np.uint8).reshape(9, 11)), 8),
    ],
    ids=["rle", "jpeg2000", "deflated", "tiff", "png"],
)
def test_random_bytes_never_do_worse_than_a_refusal(whole, start):
    generator = np.random.default_rng(1)
    for _ in range(100):
        data = bytearray(whole)
        for at in generator.integers(start, len(data), size=8):
            data[at] = generator.integers(0, 256)
        with contextlib.suppress(ImageError):
            assert decode(bytes(data)).width > 0


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (
            {"Modality": "ct ", "BodyPartExamined": "HEAD"},
            {"Modality": "CT", "BodyPartExamined": "HEAD"},
        ),
        ({"Modality": "MR", "BodyPartExamined": ""}, {"Modality": "MR"}),
        ({"Modality": "X" * 17, "BodyPartExamined": "Jane^Doe"}, {}),  # no code string: left out
    ],
)
@pytest.mark.filterwarnings("ignore:(The value length|Invalid value for VR):UserWarning")
def test_a_header_says_of_what_kind_the_image_is(tags, expected):
    said = dict(decode(changed_dicom(**tags)).header)

    assert said.pop("PhotometricInterpretation") == "MONOCHROME2"
    assert said == expected
    assert set(OF_THE_KIND) >= set(expected)
