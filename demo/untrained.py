"""A network of MONAI with random weights, exported by torch.export: shows that such files are read.

`python -m demo.untrained FILE` writes the archive; it runs in a process of its own, because torch
is large and the demonstration needs nothing else of it.
"""

import subprocess
import sys
import warnings
from pathlib import Path

from demo import folders
from demo.packages import Say

NAME = "DenseNet, untrained (random weights)"
VERSION = "seed-0"
FILE = "densenet.pt2"
SIZE = 128
_ROOT = Path(__file__).parent.parent

MANIFEST: dict[str, object] = {
    "name": NAME,
    "version": VERSION,
    "format": "pt2",
    "file": FILE,
    "task": "classification",
    "intended_use": (
        "None. The weights are random numbers, nobody trained them: it shows how an archive of "
        "torch.export is read, and nothing of what a network knows."
    ),
    "operating_points": [{"name": "half", "threshold": 0.5}],
    "input": {
        "dims": 2,
        "channels": 1,
        "size": [SIZE, SIZE],
        "layout": "NCHW",
        "colour": "gray",
        "resize": {"mode": "bilinear", "antialias": "pillow"},
        "intensity": {"scale": 255},
    },
    "output": {
        "kind": "logits",
        "activation": "softmax",
        "classes": ["no tumour", "tumour"],
        "positive": ["tumour"],
    },
}


class NoTorch(Exception):
    """torch or MONAI is not installed, or broke; a sentence."""


def build(out: Path, *, say: Say = print) -> Path:
    """Write the model folder.

    Raises:
        NoTorch: where there is nothing to export with.
    """
    with folders.replaced(out) as folder:
        command = [sys.executable, "-m", "demo.untrained", str(folder / FILE)]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise NoTorch(f"No archive of torch.export could be made: {reason}")
        folders.write_yaml(folder / "model.yaml", MANIFEST)
    say(f"DenseNet with random weights, exported: model folder written to {out}.")
    return out


def export(path: Path) -> None:
    """Build the network from its seed and export it, dropout kept, for any number of cases."""
    import torch
    from monai.networks.nets import DenseNet

    torch.manual_seed(0)
    network = DenseNet(
        spatial_dims=2, in_channels=1, out_channels=2, init_features=16, growth_rate=12,
        block_config=(4, 8, 8), dropout_prob=0.2,
    ).eval()  # fmt: skip
    for part in network.modules():
        if "Dropout" in type(part).__name__:
            part.train()
    cases, free = torch.zeros(2, 1, SIZE, SIZE), ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(network, (cases,), dynamic_shapes=free), path)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # theirs, of what will be called otherwise one day
    export(Path(sys.argv[1]))
