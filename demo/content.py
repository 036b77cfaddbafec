"""Everything the demonstration hands in, in one call."""

from dataclasses import dataclass
from pathlib import Path

from demo import br35h, lidc, lidc_masks, vgg16, vindr
from demo.facts import BrainCohort, MarkCohort, MaskCohort, ReaderCohort
from demo.packages import Say


@dataclass(frozen=True)
class Built:
    brain: BrainCohort
    readers: ReaderCohort
    outlines: MaskCohort
    marks: MarkCohort
    model: Path


def build(
    cache: Path,
    out: Path,
    *,
    cases: br35h.Cases = 300,
    seed: int = br35h.SEED,
    say: Say = print,
) -> Built:
    """Write `out`/brain-mr, /lidc, /lidc-outlines, /vindr (cohorts), /vgg16 (a model)."""
    return Built(
        brain=br35h.build(cache, out / "brain-mr", cases=cases, seed=seed, say=say),
        readers=lidc.build(cache, out / "lidc", say=say),
        outlines=lidc_masks.build(cache, out / "lidc-outlines", say=say),
        marks=vindr.build(cache, out / "vindr", say=say),
        model=vgg16.build(cache, out / "vgg16", say=say),
    )
