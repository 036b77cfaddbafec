"""A network that reads one quadrant of a picture alone, and cohorts with masks. Simulated."""

from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from tests.ml.intake.build import MANIFEST, merged
from tests.ml.program.networks import exported

SIDE = 16


class OneQuadrant(torch.nn.Module):
    """How bright the upper left quadrant is; nothing else is looked at."""

    def __init__(self, *, sign: float = 1.0) -> None:
        super().__init__()
        seen = torch.zeros(1, 1, SIDE, SIDE)
        seen[..., : SIDE // 2, : SIDE // 2] = 1
        self.register_buffer("seen", seen)
        self.conv = torch.nn.Conv2d(1, 2, 1, bias=False)
        self.head = torch.nn.Linear(2, 2)
        with torch.no_grad():
            self.conv.weight.copy_(torch.ones(2, 1, 1, 1))
            self.head.weight.copy_(torch.tensor([[-1.0, -1.0], [1.0, 1.0]]) * 60 * sign)
            self.head.bias.copy_(torch.tensor([9.0, -9.0]) * sign)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found = torch.relu(self.conv(image * self.seen))
        return self.head(found.mean((2, 3)))


def model(folder: Path, **more: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    exported(OneQuadrant(**more).eval(), (1, SIDE, SIDE), folder / "m.pt2")
    output = {"kind": "logits", "classes": ["no", "yes"], "positive": ["yes"]}
    given = {"format": "pt2", "file": "m.pt2", "input": {"size": [SIDE, SIDE]}}
    manifest = merged(MANIFEST, given | {"output": output | {"activation": "softmax"}})
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def cohort(
    folder: Path,
    n: int = 12,
    *,
    where: str = "upper left",
    sides: tuple[int, int] = (64, 32),
    readers: tuple[str, ...] = (),
) -> Path:
    """Noise; every second picture has a bright upper left quadrant and the finding.

    Args:
        where: the quadrant that is marked, by the reference and a little less by each reader.
        sides: of the pictures, which the network takes at 16 x 16.
    """
    (folder / "images").mkdir(parents=True)
    top, left = where.startswith("upper"), where.endswith("left")
    lines = ["case_id,patient_id,image,label,mask"]
    for at in range(n):
        pixels = np.random.default_rng([7, at]).normal(50, 8, sides)
        name, mask = f"q{at:02d}", ""
        if at % 2:
            pixels[: sides[0] // 2, : sides[1] // 2] += 100
            mask = f"masks/{name}.png"
            own = np.zeros(sides, np.uint8)
            rows = slice(0, sides[0] // 2) if top else slice(sides[0] // 2, None)
            columns = slice(0, sides[1] // 2) if left else slice(sides[1] // 2, None)
            own[rows, columns] = 255
            for number, reader in enumerate(("", *readers)):
                path = folder / "masks" / reader / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                less = own.copy()
                less[:, : 2 * number] = 0
                Image.fromarray(less).save(path)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
            folder / "images" / f"{name}.png"
        )
        lines.append(f"{name},p{at // 2},images/{name}.png,{('no', 'yes')[at % 2]},{mask}")
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    manifest = {
        "title": "Quadrants", "classes": ["no", "yes"], "positive": ["yes"], "simulated": True,
    }  # fmt: skip
    (folder / "cohort.yaml").write_text(yaml.safe_dump(manifest))
    return folder
