"""Which answer an attack turns, and how far a network is from giving another one."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ml.engine.attack_form import CLASSES, POINT
from ml.estimate import JsonValue
from ml.intake.model_manifest import ModelManifest, Scores
from ml.protocol import DEFAULT_THRESHOLD
from ml.scores import FloatArray, activated, finding_score


@dataclass(frozen=True)
class Target:
    """What is an answer of a model.

    Attributes:
        declared: what its outputs mean.
        threshold: from which P(finding) upwards the answer is "present".
        by_class: the answer is its most probable class, as the cohort has the same classes.
        has_logits: the values are those before a last softmax or sigmoid; else they are the
            probabilities themselves.
    """

    declared: Scores
    threshold: float
    by_class: bool
    has_logits: bool

    @classmethod
    def of(
        cls, manifest: ModelManifest, params: Mapping[str, JsonValue], *, inside: bool
    ) -> "Target":
        """As the checks take an answer: see ``ml.checks.answered``.

        Args:
            params: operating_point and classes of ``ml.engine.attack_form.answering``, if any.
            inside: logits were found before the output.
        """
        declared = manifest.output
        cohort = params.get(CLASSES)
        alike = isinstance(cohort, list) and set(map(str, cohort)) == set(declared.classes)
        return cls(
            declared,
            _threshold(manifest, params.get(POINT)),
            by_class=declared.softmax and len(declared.classes) > 2 and alike,
            has_logits=inside or declared.kind == "logits",
        )

    def answer(self, outputs: FloatArray) -> int:
        """To one case: the place of a class, or 1 for present and 0 for absent.

        Args:
            outputs: (k,) raw and finite.
        """
        probabilities = activated(outputs, self.declared)
        if self.by_class:
            return int(np.nan_to_num(probabilities).argmax())
        return int(finding_score(probabilities, self.declared) >= self.threshold)

    def against(self, values: torch.Tensor, answer: int) -> torch.Tensor:
        """(n,) logarithm of the odds against an answer.

        The gradient of the cross-entropy of an answer of probability p is 1 - p times that of
        these odds: in every direction the same, but it vanishes in float32 where p is close to 1.

        Args:
            values: (n, k) before the last activation, or probabilities.
            answer: of :meth:`answer`.
        """
        logits = self._logits(values)
        if not self.declared.softmax:
            present = logits[:, self.declared.classes.index(self.declared.positive[0])]
            return -present if answer else present
        classes = self.declared.classes
        if self.by_class:
            own = [answer]
        else:
            own = [
                at
                for at, name in enumerate(classes)
                if (name in self.declared.positive) == bool(answer)
            ]
        others = [at for at in range(len(classes)) if at not in own]
        return logits[:, others].logsumexp(dim=1) - logits[:, own].logsumexp(dim=1)

    def _logits(self, values: torch.Tensor) -> torch.Tensor:
        values = values.float()
        if self.has_logits:
            return values
        least = torch.finfo(torch.float32).tiny
        logs = values.clamp(min=least).log()
        return logs if self.declared.softmax else logs - (1 - values).clamp(min=least).log()


def _threshold(manifest: ModelManifest, wanted: JsonValue) -> float:
    """The protocol's operating point, else the model's first, else 0.5.

    A name that the model does not declare is none: its check says so and is not assessed.
    """
    declared = {one.name: one.threshold for one in manifest.operating_points}
    if isinstance(wanted, int | float):
        return float(wanted)
    if isinstance(wanted, str) and wanted in declared:
        return declared[wanted]
    return next(iter(declared.values()), DEFAULT_THRESHOLD)
