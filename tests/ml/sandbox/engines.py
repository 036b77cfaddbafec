"""A child that runs what models need: torch, MONAI, onnxruntime, the readers of images."""

import hashlib
import sys
import time
from pathlib import Path

import numpy as np

from ml.estimate import JsonObject
from ml.sandbox import child
from ml.sandbox.messages import Reporter

JOBS = {name: f"tests.ml.sandbox.engines:{name}" for name in ("torch_net", "monai_net", "readers")}


def torch_net(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    import torch
    from torch import nn

    torch.manual_seed(1)
    threads = int(str(inputs.get("threads", 1)))
    torch.set_num_threads(threads)
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)).eval()
    return timed(net, torch.rand(16, 1, 64, 64), inputs)


def monai_net(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    import torch
    from monai.networks.nets import DenseNet121

    torch.manual_seed(1)
    torch.set_num_threads(1)
    net = DenseNet121(spatial_dims=2, in_channels=1, out_channels=2).eval()
    return timed(net, torch.rand(2, 1, 64, 64), inputs)


def timed(net: object, cases: object, inputs: JsonObject) -> JsonObject:
    """The digest of the outputs, and processor seconds of one run, the fastest of some."""
    import torch

    seconds = []
    with torch.inference_mode():
        for _ in range(1 + int(str(inputs.get("repeats", 1)))):
            began = time.process_time()
            outputs = net(cases)  # type: ignore[operator]
            seconds.append(time.process_time() - began)
    digest = hashlib.sha256(np.ascontiguousarray(outputs.numpy()).tobytes()).hexdigest()
    return {"digest": digest, "seconds": min(seconds[1:])}


def readers(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> JsonObject:
    """Every library that opens a stranger's file writes one and reads it back."""
    import io

    import nibabel
    import onnxruntime
    import pyarrow as pa
    import pyarrow.parquet as pq
    import pydicom
    from PIL import Image

    picture = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for kind in ("PNG", "JPEG"):
        data = io.BytesIO()
        Image.fromarray(picture).save(data, kind)
        assert Image.open(data).size == (16, 16)
    volume = nibabel.Nifti1Image(picture.astype(np.float32)[None], np.eye(4))
    nibabel.save(volume, out_dir / "volume.nii.gz")
    assert nibabel.load(out_dir / "volume.nii.gz").shape == (1, 16, 16)
    pq.write_table(pa.table({"a": [1.0]}), out_dir / "table.parquet")
    assert pq.read_table(out_dir / "table.parquet").num_rows == 1
    compressed = pydicom.uid.JPEG2000Lossless
    offered = pydicom.pixels.get_decoder(compressed).is_available
    return {"onnxruntime": onnxruntime.get_available_providers(), "jpeg2000": offered}


if __name__ == "__main__":
    sys.exit(child.main(JOBS))
