"""Debian's Orthanc with its DICOMweb plug-in, on loopback: somebody else's server, to compare."""

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARY = Path("/usr/sbin/Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
MISSING = "Orthanc is not installed (Debian: apt-get install orthanc orthanc-dicomweb)"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def orthanc(folder: Path, seconds: float = 60) -> Iterator[str]:
    """The address of its DICOMweb, while it runs."""
    port = free_port()
    config = folder / "orthanc.json"
    config.write_text(json.dumps({
        "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(PLUGIN)], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "DicomServerEnabled": False, "RemoteAccessAllowed": False, "HttpPort": port,
        "HttpThreadsCount": 50, "KeepAlive": True, "StorageCompression": False,
        "AuthenticationEnabled": False,
    }))  # fmt: skip
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([BINARY, config], stdout=log, stderr=log, cwd=folder)
    try:
        url = f"http://127.0.0.1:{port}/dicom-web"
        _wait(url, process, seconds)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(url: str, process: "subprocess.Popen[bytes]", seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"{url}/studies", timeout=2).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.2)
