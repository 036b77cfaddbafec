"""A child sees one GPU of several: its node, its name, and the number it was asked for by."""

from dataclasses import replace

import pytest

from ml.sandbox import gpu, launch
from ml.sandbox.gpu import Gpu, chosen, devices, index_of, listed, variables
from ml.sandbox.messages import Limits
from workers import isolation
from workers.limits import child_limits

FIRST, SECOND = Gpu(1, "GPU-aaaa-01"), Gpu(0, "GPU-bbbb-02")  # the bus turns the nodes round
TOLD = (
    "Model: \t\t A card\nIRQ:   \t\t 42\nGPU UUID: \t {}\nBus Type: \t PCIe\nDevice Minor: \t {}\n"
)


@pytest.fixture
def machine(tmp_path):
    """Two GPUs, as the driver of NVIDIA shows them."""
    for bus, one in (("0000:01:00.0", FIRST), ("0000:41:00.0", SECOND)):
        place = tmp_path / "gpus" / bus
        place.mkdir(parents=True)
        (place / "information").write_text(TOLD.format(one.uuid, one.minor))
    dev = tmp_path / "dev"
    (dev / "nvidia-caps").mkdir(parents=True)
    for name in ("nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm", "nvidia-caps/cap1"):
        (dev / name).touch()
    return tmp_path


def test_gpus_are_listed_in_the_order_of_the_bus(machine, tmp_path):
    assert listed(machine / "gpus") == [FIRST, SECOND]
    assert listed(tmp_path / "none") == []
    (machine / "gpus" / "0000:41:00.0" / "information").write_text("Model: another driver\n")
    assert listed(machine / "gpus") == [], "better all than a wrong one"


@pytest.mark.parametrize(
    ("index", "visible", "expected"),
    [
        (0, None, FIRST),
        (1, None, SECOND),
        (2, None, None),
        (0, "1", SECOND),
        (1, "1", None),
        (1, "1,0", FIRST),
        (0, "GPU-bbbb", SECOND),
        (0, "GPU-", None),
        (0, "MIG-7", None),
        (0, "9", None),
    ],
)
def test_a_number_counts_what_the_worker_may_see(index, visible, expected, machine):
    own = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert chosen(index, own, machine / "gpus") == expected


def test_a_child_has_the_node_of_its_gpu_and_what_all_of_them_share(machine):
    def names(one):
        return {path.name for path in devices(one, machine / "dev")}

    shared = {"nvidiactl", "nvidia-uvm", "cap1"}
    assert names(FIRST) == {"nvidia1", *shared}
    assert names(SECOND) == {"nvidia0", *shared}
    assert names(None) == {"nvidia0", "nvidia1", "nvidia10", *shared}


def test_a_child_is_told_of_one_gpu_by_a_name_that_no_order_changes(machine, monkeypatch):
    monkeypatch.setattr(gpu, "_LISTED", machine / "gpus")
    monkeypatch.setattr(gpu.listed, "__defaults__", (machine / "gpus",))
    monkeypatch.setattr(gpu.chosen, "__defaults__", (machine / "gpus",))
    limits = Limits(gpu=True, gpu_index=1)

    env = launch.environment({"CUDA_VISIBLE_DEVICES": "0,1"}, limits)
    assert env["CUDA_VISIBLE_DEVICES"] == SECOND.uuid
    assert env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert env[gpu.ONLY_GPU] == "1"
    beyond = launch.environment({}, replace(limits, gpu_index=5))
    assert gpu.ONLY_GPU not in beyond
    assert "CUDA_DEVICE_ORDER" not in launch.environment({}, Limits())
    assert variables(0, None) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert launch._gpu_devices(Limits()) == ()


def test_a_device_is_asked_for_by_a_few_words(monkeypatch):
    assert [index_of(word) for word in ("cpu", "cuda", "cuda:3")] == [None, 0, 3]
    monkeypatch.setattr(gpu, "gpu_devices", lambda: ())
    assert index_of("auto") is None
    monkeypatch.setattr(gpu, "gpu_devices", lambda: ("/dev/nvidia0",))
    assert index_of("auto") == 0
    for word in ("cuda:", "gpu", "cuda:-1", "cuda:1;reboot", ""):
        with pytest.raises(ValueError, match="cuda:N"):
            index_of(word)


def test_a_worker_gives_its_children_its_gpu_and_says_when_several_processes_share_it(settings):
    settings.INFERENCE_DEVICE = "cuda:1"
    limits = child_limits(10)
    assert (limits.gpu, limits.gpu_index, limits.memory_bytes) == (True, 1, None)
    assert "share the GPU 1" in isolation.shared_gpu(2)
    assert isolation.shared_gpu(1) == ""

    settings.INFERENCE_DEVICE = "cpu"
    assert child_limits(10).gpu is False
    assert isolation.shared_gpu(2) == ""
