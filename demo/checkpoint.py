"""A real checkpoint that opening would run as a program: handed in to be refused, never opened."""

import shutil
import tarfile
from pathlib import Path

from demo.packages import CHEXWHATSAPP, PackageError, Say, fetch, sha256_of

FILE = "lung_segmentation.pt"
MEMBER = CHEXWHATSAPP.members[0]
SHA256 = "9e073074b44a605f360b65ec5735dec024b471f28a5e1343638ccfcf7893e906"
MOST_BYTES = 100_000_000


def build(cache: Path, out: Path, *, say: Say = print) -> Path:
    """Write a folder that holds the checkpoint alone, as its package carries it.

    Raises:
        PackageError: where the package or the file in it is another one.
    """
    archive = fetch(CHEXWHATSAPP, cache, say)
    target = out / FILE
    if not target.is_file() or sha256_of(target) != SHA256:
        out.mkdir(parents=True, exist_ok=True)
        part = out.with_name(f".{FILE}.part")
        _unpack(archive, part)
        part.replace(target)
    say(f"A pickled checkpoint, never opened: written to {out}.")
    return out


def _unpack(archive: Path, target: Path) -> None:
    with tarfile.open(archive, "r:gz") as packed:
        found = next((one for one in packed if one.name == MEMBER), None)
        if found is None or not found.isreg() or found.size > MOST_BYTES:
            raise PackageError(f"{archive.name} holds no plain file {MEMBER}.")
        source = packed.extractfile(found)
        assert source is not None
        with source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    if sha256_of(target) != SHA256:
        target.unlink()
        raise PackageError(f"{MEMBER} is not the file this demonstration was written for.")
