"""A child that misbehaves in every way the parent must survive."""

import ctypes
import errno
import os
import signal
import sys
import threading
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
        "nan_result", "claim_and_hang", "limits", "segfault", "eat_in_pieces", "threads",
        "open_files", "fill", "many_files", "count", "old_call", "in_tmp", "chatter", "remember",
        "big_table", "no_table", "outside", "no_parquet",
    )
} | {"probe": "tests.ml.sandbox.probe:probe"}  # fmt: skip


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


def segfault(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    ctypes.string_at(0)
    return {}


def eat_in_pieces(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Memory that is used, not only asked for."""
    held = []
    while True:
        held.append(np.ones(1 << 24))


def threads(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    threading.stack_size(64 * 1024)
    stop = threading.Event()
    started = 0
    try:
        for _ in range(int(str(inputs["most"]))):
            threading.Thread(target=stop.wait, daemon=True).start()
            started += 1
    except RuntimeError:
        pass
    stop.set()
    return {"started": started}


def open_files(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    held = []
    try:
        while len(held) < 5000:
            held.append(os.open(out_dir, os.O_RDONLY))
    except OSError as error:
        for descriptor in held:
            os.close(descriptor)
        return {"opened": len(held), "error": errno.errorcode[error.errno or 0]}
    return {"opened": len(held)}


def fill(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Many files, each small enough."""
    for number in range(10_000):
        (out_dir / str(number)).write_bytes(bytes(1 << 20))
        time.sleep(0.01)
    return {}


def many_files(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    for number in range(200):
        (out_dir / str(number)).touch()
    return {}


def count(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """A library that is loaded once, and how often it was used."""
    global used
    used += 1
    return {"used": used, "pid": os.getpid(), "seen": sorted(str(p) for p in Path.cwd().iterdir())}


used = 0


def remember(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Tries to close a job without knowing its number."""
    os.write(int(sys.argv[1]), b'{"event": "result", "id": "0", "result": {"forged": 1}}\n' * 3)
    time.sleep(1)  # so that it is heard alone
    return {"true": True}


def old_call(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """getpid by the numbers of x32, another set of calls on the same processor."""
    ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))
    return {"went": "through"}


def in_tmp(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Fill the memory that looks like a disk."""
    try:
        with Path("/tmp/full").open("wb") as file:
            for _ in range(256):
                file.write(bytes(1 << 20))
    except OSError as error:
        return {"error": errno.errorcode[error.errno or 0]}
    return {"error": ""}


def chatter(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    while True:
        reporter.progress(1, 2)


def big_table(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    (out_dir / "predict.parquet").write_bytes(bytes(1 << 24))
    return {"table": "predict.parquet"}


def no_table(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    return {"table": "predict.parquet"}


def outside(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    return {"table": "../../../../etc/passwd"}


def no_parquet(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    (out_dir / "predict.parquet").write_bytes(b"PAR1 and nothing more")
    return {"table": "predict.parquet"}


if __name__ == "__main__":
    sys.exit(child.main(JOBS))
