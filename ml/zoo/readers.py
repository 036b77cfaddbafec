"""A simulated reader study in two arms, with a table of a model's scores, as folders."""

from pathlib import Path

import numpy as np
import yaml

from ml.stats.mrmc.simulate import simulate, structure
from ml.stats.mrmc.study import MrmcStudy

ARMS = ("unaided", "aided")
_NOTES = "Simulated after Roe and Metz (1997): no reader, no patient and no image is behind it."


def cohort_folder(
    folder: Path,
    *,
    readers: int = 5,
    with_finding: int = 40,
    without: int = 50,
    arms: tuple[str, ...] = ARMS,
    seed: int = 3,
) -> Path:
    """Write a cohort of labels and readings, two cases to a patient; the last arm is better.

    Args:
        folder: made here; must not exist.
        arms: names; one without a name gives a study of one arm.
        seed: the same seed gives the same study.
    """
    folder.mkdir(parents=True)
    study = _study(readers, with_finding, without, len(arms), seed)
    cases, rows = ["case_id,patient_id,label"], ["reader_id,case_id,question,arm,score"]
    for at, present in enumerate(study.present):
        label = "present" if present else "absent"
        cases.append(f"{_case(at)},p{at // 2:03d},{label}")
    for arm, by_reader in zip(arms, study.scores, strict=True):
        for reader, scores in enumerate(by_reader):
            rows += [f"r{reader + 1},{_case(at)},suspicion,{arm},{score:.0f}"
                     for at, score in enumerate(_percent(scores))]  # fmt: skip
    (folder / "cases.csv").write_text("\n".join(cases) + "\n")
    (folder / "readings.csv").write_text("\n".join(rows) + "\n")
    description = {
        "title": "Reader study (simulated)",
        "task": "classification",
        "classes": ["absent", "present"],
        "positive": ["present"],
        "modality": "none",
        "notes": _NOTES,
        "simulated": True,
        "readers": "identified",
        "questions": {"suspicion": {"scale": "interval", "values": ["0", "100"]}},
    }
    (folder / "cohort.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
    return folder


def predictions_folder(
    folder: Path, *, with_finding: int = 40, without: int = 50, seed: int = 4
) -> Path:
    """Write scores of a simulated model for the cases of ``cohort_folder`` of that size."""
    folder.mkdir(parents=True)
    truth = np.r_[np.ones(with_finding), np.zeros(without)]
    drawn = np.random.default_rng(seed).normal(size=truth.size) + 1.5 * truth
    scores = 1 / (1 + np.exp(0.75 - drawn))
    rows = ["case_id,absent,present"]
    rows += [f"{_case(at)},{1 - score:.6f},{score:.6f}" for at, score in enumerate(scores)]
    (folder / "predictions.csv").write_text("\n".join(rows) + "\n")
    manifest = {
        "kind": "probabilities",
        "classes": ["absent", "present"],
        "positive": ["present"],
        "model": {"name": "Simulated scores", "version": "1"},
    }
    (folder / "predictions.yaml").write_text(yaml.safe_dump(manifest))
    return folder


def _study(readers: int, with_finding: int, without: int, arms: int, seed: int) -> MrmcStudy:
    model = structure("HL", modalities=arms, effect=0.5 if arms > 1 else 0.0)
    return simulate(model, readers, with_finding, without, seed)


def _percent(scores: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float]:
    """Latent scores as readers would write them, 0 to 100."""
    return [float(value) for value in np.clip(np.round(50 + 15 * (scores - 0.75)), 0, 100)]


def _case(at: int) -> str:
    return f"c{at:03d}"
