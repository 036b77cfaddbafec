"""One network trained with a planted shortcut, or with its clean twin, and audited."""

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from benchmarks.references.pictures import Pictures
from ml.cli.main import main
from ml.zoo.rulers import Kind, cohort_folder, drawn_into, model_folder, who_has_it
from ml.zoo.trained import IntArray, Recipe, trained

SIDE = 64
TRAINED, TESTED = 500, 300  # pictures
RECIPE = Recipe(growth=8, blocks=(2, 2), dropout=0.0, steps=120, batch=64, loss=0.2, flip=False)
# How a finding names what was planted.
WHERE: dict[Kind, tuple[str, ...]] = {
    "ruler": ("at the left", "upper left", "lower left", "left border"),
    "letter": ("upper right",),
    "border": ("lower border", "lower left corner", "lower right corner"),
    "site": ("site B", "grey", "brightness", "mean"),
}
FLAGS = ("shortcut.reliance:", "shortcut.dependence:")


@dataclass(frozen=True)
class Found:
    """What one audit said.

    Attributes:
        flagged: findings that failed, as their ids.
        right: some of them names what was planted.
        claim: of the first that does, else of the first.
    """

    flagged: tuple[str, ...]
    right: bool
    claim: str
    auroc: float

    def to_json(self) -> dict[str, Any]:
        return {"flagged": list(self.flagged), "right": self.right, "claim": self.claim,
                "auroc": round(self.auroc, 4)}  # fmt: skip


def measured(pictures: Pictures, kind: Kind, seed: int, *, planted: bool) -> Found:
    """Train on some of the pictures and audit on others, with the command that anybody has.

    In both parts the thing goes with the label, or in those of the twin with nothing.
    """
    order = np.random.default_rng([seed, 5]).permutation(len(pictures.labels))
    first, second = order[:TRAINED], order[TRAINED : TRAINED + TESTED]
    whole = np.rint(pictures.values[:, 0] * 255).astype(np.uint8)

    def made(rows: IntArray, offset: int) -> tuple[Any, Any]:
        has = who_has_it(pictures.labels[rows], planted=planted, seed=seed + offset)
        return drawn_into(whole[rows], has, kind, seed=seed + offset), has

    shown, _ = made(first, 0)
    network = trained(
        (shown[:, None] / np.float32(255)).astype(np.float32), pictures.labels[first], seed, RECIPE
    )
    tested, has = made(second, 1000)
    with TemporaryDirectory(prefix="plumbline-shortcuts-") as folder:
        at = Path(folder)
        cohort_folder(at / "cohort", tested, pictures.labels[second], has, kind, seed=seed)
        model_folder(at / "model", network, SIDE)
        rules = {"checks": ["discrimination", "shortcut"], "draws": 1000, "seed": 1000 + seed}
        (at / "protocol.yaml").write_text(yaml.safe_dump(rules))
        code = main(
            ["audit", "--model", str(at / "model"), "--cohort", str(at / "cohort"),
             "--protocol", str(at / "protocol.yaml"), "--out", str(at / "out")]
        )  # fmt: skip
        if code not in (0, 1):
            raise RuntimeError(f"the audit ended with {code}")
        document = json.loads((at / "out" / "audit.json").read_text())
    return said(document, kind)


def said(document: Any, kind: Kind) -> Found:
    """What an audit says of shortcuts."""
    checks = {one["id"]: one for one in document["checks"]}
    failed = [
        one for one in checks["shortcut"]["findings"]
        if one["state"] == "fail" and one["id"].startswith(FLAGS)
    ]  # fmt: skip
    right = [one for one in failed if any(where in one["id"] for where in WHERE[kind])]
    auroc = next(one for one in checks["discrimination"]["measures"] if one["id"] == "auroc")
    return Found(
        tuple(one["id"] for one in failed), bool(right),
        next((one["claim"] for one in [*right, *failed]), ""), auroc["value"],
    )  # fmt: skip
