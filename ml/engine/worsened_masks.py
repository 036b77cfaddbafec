"""What a model marks on corrupted copies, drawn on them beside the reference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml.corruptions import Corruption
from ml.engine.cases import Prepared
from ml.engine.compare import stored_mask
from ml.engine.copied import Copied
from ml.engine.mask_copies_form import REFERENCES
from ml.engine.predict import Asked
from ml.engine.segment import class_maps, labels_of
from ml.engine.session import Session
from ml.estimate import JsonObject
from ml.imaging.intensity import to_unit, unit_range
from ml.imaging.mask import LabelArray
from ml.imaging.outlines import outlined
from ml.imaging.seen import for_eyes
from ml.intake.model_manifest import ModelManifest
from ml.sandbox.messages import Reporter

Shown = Callable[[Corruption, int], Image.Image]  # a case at a severity


@dataclass(frozen=True)
class Marks:
    """A model that segments, and the reference masks of cases.

    Attributes:
        references: case id -> file.
    """

    session: Session
    manifest: ModelManifest
    references: Mapping[str, str]

    def shown(self, copied: Copied) -> Shown:
        """Draws a case with what the model marks on it, and what the reference does.

        Raises:
            ImageError: as ``stored_mask``; of what is returned none.
        """
        reference = self._reference(copied)
        plane = _plane(copied, reference)

        def show(one: Corruption, severity: int) -> Image.Image:
            copy = copied.copy(one, severity) if severity else copied.image
            maps = class_maps(self.session, self.manifest, copy)
            labels = labels_of(np.nan_to_num(maps, nan=-np.inf), self.manifest.output)
            picture = for_eyes(plane(_unit(copied, copy)))
            known = None if reference is None else plane(reference)
            return outlined(picture, plane(labels), known)

        return show

    def _reference(self, copied: Copied) -> LabelArray | None:
        """On the grid of what the network takes; None where there is none on the image's grid."""
        path = self.references.get(copied.case)
        if path is None:
            return None
        mask, image = stored_mask(Path(path)), copied.image
        sides = image.array.shape[:-1] if self._last else image.array.shape[1:]
        if not image.mask(np.zeros(sides, dtype=np.uint8)).same_grid(mask):
            return None
        return image.placed.forth(mask.labels, sides)

    @property
    def _last(self) -> bool:
        return self.manifest.input.layout == "NHWC"


def marks_of(inputs: JsonObject, out_dir: Path, reporter: Reporter) -> Marks:
    """The model of a job, opened.

    Args:
        inputs: as of ``predict_job``, and references.
    """
    asked = Asked.of(inputs)
    session = asked.session(reporter, out_dir)
    return Marks(session, asked.manifest, cast(dict[str, str], inputs.get(REFERENCES) or {}))


def _unit(copied: Copied, copy: Prepared) -> NDArray[np.float64]:
    """Intensities from 0 to 1: (height, width, channels), of a volume (a, b, c)."""
    if copied.stack is None:
        return np.asarray(to_unit(copy.array, copied.declared), dtype=np.float64)
    gain, offset = unit_range(copied.declared)
    return np.asarray((copy.array[0].astype(np.float64) - offset.item()) / gain.item())


def _plane(copied: Copied, reference: LabelArray | None) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What is drawn: a picture itself, of a volume a slice."""
    stack = copied.stack
    if stack is None:
        return lambda values: values
    slices = stack.slices(np.asarray(copied.image.array[0])).shape[0]
    at = slices // 2
    if reference is not None and reference.any():
        at = int((stack.slices(reference) > 0).sum(axis=(1, 2)).argmax())

    def cut(values: NDArray[Any]) -> NDArray[Any]:
        found: NDArray[Any] = stack.slices(values)[at]
        return found[:, :, None] if values.dtype == np.float64 else found

    return cut
