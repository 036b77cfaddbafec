"""A caller that tries what a caller must not be able to."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from ml.sandbox.confine import confine


def main():
    events = os.fdopen(int(sys.argv[1]), "w")
    confine(json.loads(sys.stdin.buffer.readline()))
    port, secret = sys.stdin.buffer.readline().decode().split()

    def attempt(name, call):
        try:
            call()
            outcome = "done"
        except BaseException as error:
            outcome = type(error).__name__
        print(f"{name}={outcome}", file=events, flush=True)

    def listen():
        opened = socket.socket()
        opened.bind(("127.0.0.1", 0))
        opened.listen()

    def write():
        Path("written").write_bytes(b"x")

    attempt("connect", lambda: socket.create_connection(("127.0.0.1", int(port)), timeout=5))
    attempt("listen", listen)
    attempt("unix", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM))
    attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
    attempt("read", lambda: Path(secret).read_text())
    attempt("write", write)
    attempt("start", lambda: subprocess.run(["/bin/true"]))


if __name__ == "__main__":
    main()
