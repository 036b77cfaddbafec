"""Archives of torch.export as a stranger may send them: read as data, or refused with a code."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml.intake.pt2 import read_pt2
from ml.intake.refusal import Refused
from ml.intake.schema import LARGEST, Entry, Malformed
from tests.ml.program.networks import network

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def archive() -> Files:
    with zipfile.ZipFile(network("unet-2d").path) as opened:
        return {info.filename: opened.read(info) for info in opened.infolist()}


@pytest.fixture
def written(tmp_path, archive) -> Callable[[Callable[[Files], None]], Path]:
    """The archive after a change, as a file."""

    def write(change: Callable[[Files], None]) -> Path:
        files = dict(archive)
        change(files)
        path = tmp_path / "changed.pt2"
        with zipfile.ZipFile(path, "w") as opened:
            for name, data in files.items():
                opened.writestr(name, data)
        return path

    return write


def named(files: Files, ending: str) -> str:
    return next(name for name in files if name.endswith(ending))


def in_json(ending: str, change: Callable[[Any], None]) -> Callable[[Files], None]:
    def of(files: Files) -> None:
        name = named(files, ending)
        value = json.loads(files[name])
        change(value)
        files[name] = json.dumps(value).encode()

    return of


def code_of(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        read_pt2(path)
    return caught.value.refusals[0].code


class Marker:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_what_is_read_of_a_sound_archive():
    program = read_pt2(network("unet-2d").path)

    (port,) = program.inputs
    assert (port.shape, port.dtype) == ((None, 1, 64, 64), "float32")
    assert len(program.dropouts) == 6
    assert program.sources[next(iter(program.weights))] == "model.0.conv.unit0.conv.weight"
    assert {node.scope for node in program.nodes} >= {"model.0.conv.unit0.conv"}
    assert program.notes["torch"].startswith("2.")


@pytest.mark.parametrize("place", ["data/sample_inputs/model.pt", "data/constants/custom_obj_0"])
def test_a_pickle_beside_the_graph_is_never_opened(place, written, archive, tmp_path):
    marker = tmp_path / "marker"
    root = next(iter(archive)).partition("/")[0]
    path = written(lambda files: files.update({f"{root}/{place}": pickle.dumps(Marker(marker))}))

    assert read_pt2(path).nodes
    assert not marker.exists()


def test_a_pickled_weight_is_refused(written, tmp_path):
    marker = tmp_path / "marker"

    def change(files: Files) -> None:
        def pickled(config: Any) -> None:
            first = next(iter(config["config"].values()))
            first["use_pickle"] = True
            files[named(files, f"weights/{first['path_name']}")] = pickle.dumps(Marker(marker))

        in_json("model_weights_config.json", pickled)(files)

    assert code_of(written(change)) == "pickle_refused"
    assert not marker.exists()


@pytest.mark.parametrize("key", ["guards_code", "range_constraints"])
def test_code_in_guards_and_symbolic_shapes_is_never_read(key, written, tmp_path):
    marker = tmp_path / "marker"
    code = f"__import__('os').system('touch {marker}')"

    def change(model: Any) -> None:
        model[key] = [code] if key == "guards_code" else {code: {"min_val": 1, "max_val": 2}}
        values = model["graph_module"]["graph"]["sym_int_values"]
        for value in values.values():
            value["as_expr"]["expr_str"] = code
        for value in model["graph_module"]["graph"]["tensor_values"].values():
            for size in value["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = code

    assert read_pt2(written(in_json("model.json", change))).nodes
    assert not marker.exists()


@pytest.mark.parametrize(
    "target", ["torch.os.system", "torch.ops.aten.from_file.default", "torch.ops.aten.rand.default",
               "__import__('os').system", "torch.ops.higher_order.cond"],
)  # fmt: skip
def test_operations_that_are_not_on_the_list_are_refused(target, written):
    def change(model: Any) -> None:
        model["graph_module"]["graph"]["nodes"][3]["target"] = target

    assert code_of(written(in_json("model.json", change))) == "custom_op"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sizes", [{"as_int": 2**40}]),
        ("sizes", [{"as_int": -1}, {"as_int": 1}, {"as_int": 3}, {"as_int": 3}]),
        ("strides", [{"as_int": 0}, {"as_int": 0}, {"as_int": 0}, {"as_int": 10**9}]),
        ("storage_offset", {"as_int": 10**6}),
        ("storage_offset", {"as_int": -4}),
        ("dtype", 99),
        ("dtype", "7"),
        ("sizes", None),
    ],
)
def test_weights_that_reach_outside_what_is_stored_are_refused(key, value, written):
    def change(config: Any) -> None:
        first = config["config"]["model.0.conv.unit0.conv.weight"]
        first["tensor_meta"][key] = value

    assert code_of(written(in_json("model_weights_config.json", change))) == "model_corrupt"


def test_an_open_end_of_a_slice_is_read_and_other_large_numbers_are_not():
    """torch writes the end of ``x[:, 0]`` over a free batch as the largest whole number."""
    assert Entry.of(2**63 - 1, "end").integer() == LARGEST
    with pytest.raises(Malformed):
        Entry.of(2**63 - 2, "end").integer()


def test_a_tensor_that_repeats_its_numbers_without_end_is_refused(written):
    """A megabyte of file must not become a terabyte of memory by strides of 0."""

    def change(config: Any) -> None:
        meta = config["config"]["model.0.conv.unit0.conv.weight"]["tensor_meta"]
        meta["sizes"] = [{"as_int": 10**6}] * 2
        meta["strides"] = [{"as_int": 0}] * 2

    assert code_of(written(in_json("model_weights_config.json", change))) == "model_corrupt"


def test_other_archives_are_refused(tmp_path, written, archive):
    root = next(iter(archive)).partition("/")[0]
    nothing = tmp_path / "nothing.pt2"
    nothing.write_bytes(b"PK\x03\x04 and no more")
    assert code_of(nothing) == "archive_corrupt"
    assert code_of(written(lambda files: files.clear())) == "model_corrupt"
    assert code_of(written(lambda files: files.update({"elsewhere/x": b""}))) == "model_corrupt"
    assert code_of(written(lambda files: files.pop(f"{root}/models/model.json"))) == "model_corrupt"
    assert code_of(written(lambda files: files.pop(named(files, "weight_0")))) == "model_corrupt"
    deep = b"[" * 200_000
    assert code_of(
        written(lambda files: files.update({f"{root}/models/model.json": deep}))
    ) == "model_corrupt"  # fmt: skip
    assert code_of(
        written(in_json("model.json", lambda model: model["schema_version"].update(major=9)))
    ) == "opset_unsupported"  # fmt: skip


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, archive):
    path = tmp_path / "bomb.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in archive.items():
            opened.writestr(name, data)
        root = next(iter(archive)).partition("/")[0]
        opened.writestr(f"{root}/data/weights/weight_999", bytes(50_000_000))

    assert code_of(path) == "archive_limit"
