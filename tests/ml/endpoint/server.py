"""A model behind an address on this machine: as good or as bad as a test wants it."""

import json
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BINARY = "Inference-Header-Content-Length"


@dataclass
class Model:
    """Class 1 gets the mean of a case's numbers as its logit, class 0 gets 0."""

    name: str = "cxr"
    versions: tuple = ("1",)
    answers_version: str | None = "1"  # of the answers; None: they state none
    tensor: str = "image"
    shape: tuple = (-1, 1, 4, 4)
    datatype: str = "FP32"
    out_datatype: str = "FP32"
    binary: bool = False  # it answers in bytes even if nobody wants that
    # (status, headers) for the next requests for inference, then it behaves
    troubles: list = field(default_factory=list)
    change: dict = field(default_factory=dict)  # of the metadata
    lie: object = None  # a function of the answer's dictionary
    raw: bytes | None = None  # sent in the place of an answer
    endless: bool = False  # bytes without end, whose number nobody is told
    nap: float = 0.0  # before an answer
    drip: float = 0.0  # between the bytes of an answer
    ready: int = 200
    poured: int = 0
    requests: list = field(default_factory=list)  # (method, path, headers)
    cases: list = field(default_factory=list)  # of every request for inference

    def metadata(self):
        return {
            "name": self.name,
            "versions": list(self.versions),
            "platform": "test_v1",
            "inputs": [{"name": self.tensor, "datatype": self.datatype, "shape": [*self.shape]}],
            "outputs": [{"name": "scores", "datatype": self.out_datatype, "shape": [-1, 2]}],
        } | self.change

    def infer(self, numbers, shape):
        n = shape[0]
        size = len(numbers) // n
        means = [sum(numbers[at * size : (at + 1) * size]) / size for at in range(n)]
        flat = [number for mean in means for number in (0.0, mean)]
        answer = {
            "model_name": self.name,
            "outputs": [
                {"name": "scores", "datatype": self.out_datatype, "shape": [n, 2], "data": flat}
            ],
        }
        if self.answers_version is not None:
            answer["model_version"] = self.answers_version
        return self.lie(answer) if self.lie else answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def model(self) -> Model:
        return self.server.model

    def do_GET(self):
        self.model.requests.append(("GET", self.path, dict(self.headers)))
        if self.path.endswith("/ready"):
            self.answer(self.model.ready, b"{}")
        elif f"/v2/models/{self.model.name}" in self.path:
            self.answer(200, json.dumps(self.model.metadata()).encode())
        else:
            self.answer(404, b"{}")

    def do_POST(self):
        model = self.model
        body = self.rfile.read(int(self.headers["Content-Length"]))
        model.requests.append(("POST", self.path, dict(self.headers)))
        if model.troubles:
            status, headers = model.troubles.pop(0)
            if status == 0:
                self.close_connection = True
                self.connection.close()
                return
            self.answer(status, b'{"error": "trouble"}', headers)
            return
        numbers, shape, wants_bytes = _read(body, self.headers)
        model.cases.append(shape[0])
        time.sleep(model.nap)
        if model.raw is not None:
            self.answer(200, model.raw)
            return
        if model.endless:
            self.pour()
            return
        reply = model.infer(numbers, shape)
        if wants_bytes or model.binary:
            self.answer(200, *_as_bytes(reply))
        else:
            self.answer(200, json.dumps(reply).encode())

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            if not self.model.drip:
                self.wfile.write(body)
                return
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(self.model.drip)
        except OSError:
            self.close_connection = True

    def pour(self):
        self.close_connection = True
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"1000\r\n" + b" " * 0x1000 + b"\r\n")
                self.model.poured += 0x1000
        except OSError:
            pass

    def log_message(self, *_):
        pass


def _read(body, headers):
    length = headers.get(BINARY)
    head = json.loads(body if length is None else body[: int(length)])
    tensor = head["inputs"][0]
    wants = head["outputs"][0].get("parameters", {}).get("binary_data", False)
    if length is None:
        return tensor["data"], tensor["shape"], wants
    raw = body[int(length) :]
    assert len(raw) == tensor["parameters"]["binary_data_size"]
    form = {"FP32": "f", "FP64": "d", "FP16": "e", "UINT8": "B"}[tensor["datatype"]]
    return struct.unpack(f"<{len(raw) // struct.calcsize(form)}{form}", raw), tensor["shape"], wants


def _as_bytes(reply):
    raw = b""
    for output in reply["outputs"]:
        form = {"FP32": "f", "FP64": "d", "FP16": "e"}[output["datatype"]]
        data = output.pop("data")
        piece = struct.pack(f"<{len(data)}{form}", *data)
        output["parameters"] = {"binary_data_size": len(piece)}
        raw += piece
    head = json.dumps(reply).encode()
    return head + raw, {BINARY: str(len(head))}


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


@contextmanager
def serving(model=None, tls=None):
    """(model, url) of a server on loopback."""
    server = Server(("127.0.0.1", 0), Handler)
    server.model = model or Model()
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    scheme = "http" if tls is None else "https"
    try:
        yield server.model, f"{scheme}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
