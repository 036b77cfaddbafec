"""A child that misbehaves in every way the parent must survive."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from ml.estimate import JsonObject
from ml.intake.refusal import Refusal, Refused
from ml.sandbox import child
from ml.sandbox.messages import Reporter

JOBS = {
    name: f"tests.ml.sandbox.hostile:{name}"
    for name in (
        "echo", "environment", "memory_bomb", "loop", "sleep", "kill_self", "garbage", "shout",
        "endless_line", "refuse", "break_down", "leave_early", "talk", "abort", "spawn", "big_file",
        "nan_result", "claim_and_hang", "limits",
    )
}  # fmt: skip


def echo(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    return {"inputs": inputs, "out_dir": str(out_dir)}


def environment(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    return {"names": sorted(os.environ), "cwd": str(Path.cwd()), "group": os.getpgrp()}


def memory_bomb(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    return {"size": len([np.ones(1 << 27) for _ in range(64)])}


def loop(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    while True:
        pass


def sleep(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    reporter.log(f"pid {os.getpid()}")
    time.sleep(60)
    return {}


def kill_self(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def garbage(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    sys.stdout.buffer.write(b'{"event": "result", "result": {"forged": 1}}\n\xff\xfe\x00\x1b[31m\n')
    sys.stdout.flush()
    os.write(int(sys.argv[1]), b"not json\n[1, 2]\n" + b"[" * 100_000 + b"\n")
    return {"true": True}


def shout(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    for _ in range(1024):
        os.write(1, b"all work and no play\n" * 50_000)
    return {}


def endless_line(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    while True:
        os.write(int(sys.argv[1]), b"x" * 65536)


def refuse(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    raise Refused([Refusal("label_value", "No number.", "cases.csv", 3)])


def break_down(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    raise RuntimeError("a screw came loose")


def leave_early(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    os._exit(0)


def talk(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    reporter.log("hello")
    reporter.progress(1, 2)
    time.sleep(1.5)
    reporter.progress(2, 2)
    return {}


def abort(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def spawn(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Leaves a grandchild behind that holds the pipes open."""
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    return {"grandchild": pid}


def big_file(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    with (out_dir / "big").open("wb") as file:
        for _ in range(100):
            file.write(bytes(1 << 20))
    return {}


def nan_result(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    return {"value": float("nan")}


def claim_and_hang(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    os.write(int(sys.argv[1]), b'{"event": "result", "result": {"early": true}}\n')
    time.sleep(60)
    return {}


def limits(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    import resource

    names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE")
    return {name: resource.getrlimit(getattr(resource, name))[0] for name in names}


if __name__ == "__main__":
    sys.exit(child.main(JOBS))
