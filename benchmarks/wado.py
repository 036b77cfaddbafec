"""Frames over WADO-RS: the embedded portal's web process beside Debian's Orthanc.

Both serve the same 16 instances of one 512 x 512 frame of 16 bits to eight clients with
connections that are kept, in alternation; the times are medians of rounds.
"""

import io
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from benchmarks.measuring import Result, Skipped

ORTHANC = Path("/usr/sbin/Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
INSTANCES, SIDE, CLIENTS, REQUESTS, ROUNDS = 16, 512, 8, 320, 3
ACCEPT = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


@dataclass(frozen=True)
class Server:
    port: int
    root: str
    addresses: Sequence[str]
    token: str = ""

    def headers(self) -> dict[str, str]:
        said = {"Accept": ACCEPT}
        return said | ({"Authorization": f"Bearer {self.token}"} if self.token else {})


def run() -> Iterable[Result | Skipped]:
    name = f"wado.frames_512KB_{CLIENTS}_clients"
    if not (ORTHANC.exists() and PLUGIN.exists()):
        yield Skipped(name, "Debian's orthanc and orthanc-dicomweb are not installed")
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(_portal(folder))
        theirs = stack.enter_context(_orthanc(folder, ours))
        agree = all(
            _pixels(_get(ours, one)) == _pixels(_get(theirs, one)) for one in ours.addresses
        )
        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(ROUNDS):
            times["theirs"].append(_round(theirs))
            times["ours"].append(_round(ours))
    mine, peer = statistics.median(times["ours"]), statistics.median(times["theirs"])
    yield Result(
        name, 1000 * mine / REQUESTS, 1000 * peer / REQUESTS, "Orthanc 1.10.1", peer / mine, 1.0,
        "ms a frame", f"{REQUESTS} requests, {ROUNDS} rounds", agree,
    )  # fmt: skip


def _round(server: Server) -> float:
    """Seconds until every request is answered."""
    left = iter(range(REQUESTS))
    lock = threading.Lock()

    def work() -> None:
        connection = HTTPConnection("127.0.0.1", server.port)
        while True:
            with lock:
                at = next(left, None)
            if at is None:
                connection.close()
                return
            _get(server, server.addresses[at % len(server.addresses)], connection)

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _get(server: Server, address: str, kept: HTTPConnection | None = None) -> bytes:
    if kept is None:
        with closing(HTTPConnection("127.0.0.1", server.port)) as own:
            return _get(server, address, own)
    kept.request("GET", f"{server.root}/{address}/frames/1", headers=server.headers())
    response = kept.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{response.status}: {body[:200]!r}")
    return body


def _pixels(body: bytes) -> bytes:
    """The one part of a multipart body."""
    return body.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0].removesuffix(b"\r\n")


@contextmanager
def _portal(folder: Path) -> Iterator[Server]:
    source = folder / "cohort"
    _write(source)
    environment = {**os.environ, "PLUMBLINE_HOME": str(folder / "home")}
    seed = subprocess.run(
        [sys.executable, "-m", "benchmarks.wado_seed", str(source)],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    said = json.loads(seed.stdout.splitlines()[-1])
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", "portal.asgi:application", "--port", str(port),
               "--no-access-log", "--lifespan", "off", "--log-level", "error"]  # fmt: skip
    with _running(command, port, environment):
        yield Server(port, "/dicomweb", said["addresses"], said["token"])


def _write(folder: Path) -> None:
    """A cohort of one series of noise: what is measured is how bytes are handed out."""
    (folder / "images").mkdir(parents=True)
    (folder / "cohort.yaml").write_text("title: Bench\n")
    rng = np.random.default_rng(1)
    study, series = generate_uid(), generate_uid()
    for number in range(INSTANCES):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.Modality, dataset.PatientID, dataset.InstanceNumber = "CT", "p", number + 1
        dataset.Rows = dataset.Columns = SIDE
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        pixels = rng.integers(0, 4096, (SIDE, SIDE), dtype=np.uint16)
        dataset.add_new(0x7FE00010, "OW", pixels.tobytes())
        dataset.save_as(folder / "images" / f"{number}.dcm", enforce_file_format=True)
    cases = [f"c{number},images/{number}.dcm" for number in range(INSTANCES)]
    (folder / "cases.csv").write_text("\n".join(["case_id,image", *cases]))


@contextmanager
def _orthanc(folder: Path, ours: Server) -> Iterator[Server]:
    """Orthanc, holding the very files that the portal hands out."""
    port = _free_port()
    place = folder / "orthanc"
    place.mkdir()
    config = place / "orthanc.json"
    config.write_text(json.dumps({
        "StorageDirectory": str(place / "storage"), "IndexDirectory": str(place / "storage"),
        "Plugins": [str(PLUGIN)], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "DicomServerEnabled": False, "RemoteAccessAllowed": False, "HttpPort": port,
        "HttpThreadsCount": 50, "KeepAlive": True, "StorageCompression": False,
    }))  # fmt: skip
    with _running([str(ORTHANC), str(config)], port, dict(os.environ)):
        for address in ours.addresses:
            _post(port, _file(ours, address))
        yield Server(port, "/dicom-web", ours.addresses)
    shutil.rmtree(place, ignore_errors=True)


def _file(server: Server, address: str) -> bytes:
    said = server.headers() | {"Accept": "application/dicom"}
    with closing(HTTPConnection("127.0.0.1", server.port)) as connection:
        connection.request("GET", f"{server.root}/{address}", headers=said)
        data = connection.getresponse().read()
    pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    return data


def _post(port: int, data: bytes) -> None:
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("POST", "/instances", body=data)
        response = connection.getresponse()
        response.read()
    if response.status != 200:
        raise RuntimeError(f"Orthanc answered {response.status}")


@contextmanager
def _running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
