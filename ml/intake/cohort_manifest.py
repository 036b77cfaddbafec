"""`cohort.yaml`: what a cohort says of itself, its labels and the questions its readers had."""

from typing import Literal

from pydantic import Field, model_validator

from ml.imaging.declared import Strict
from ml.imaging.mask import MOST_STRUCTURES
from ml.intake.manifest import Name, Text
from ml.intake.tables import bad_id

IMPLIED_QUESTION = "label"  # what readers answer who give a class, where no question is declared


class QuestionSpec(Strict):
    scale: Literal["nominal", "ordinal", "interval"]
    values: list[Name] = Field(default_factory=list, max_length=1000)  # in order

    @model_validator(mode="after")
    def _values(self) -> "QuestionSpec":
        if self.scale != "interval" and len(self.values) < 2:
            raise ValueError(f"a {self.scale} question lists its values, at least two, in order.")
        if len(set(self.values)) < len(self.values):
            raise ValueError("a value is listed twice.")
        return self


class CohortManifest(Strict):
    title: Name
    task: Literal["classification", "segmentation"] = "classification"
    classes: list[Name] = Field(default_factory=list, max_length=1000)
    positive: list[Name] = Field(default_factory=list)
    modality: Text = ""
    notes: Text = ""
    readers: Literal["identified", "exchangeable"] = "identified"
    questions: dict[Name, QuestionSpec] = Field(default_factory=dict, max_length=100)
    simulated: bool = False

    @model_validator(mode="after")
    def _question_names(self) -> "CohortManifest":
        for name in self.questions:
            wrong = bad_id(name)
            if wrong:
                raise ValueError(f"questions: the name '{name[:80]}' cannot be used. {wrong}")
        return self

    @model_validator(mode="after")
    def _classes(self) -> "CohortManifest":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("every class is named once.")
        unknown = [name for name in self.positive if name not in self.classes]
        if unknown:
            raise ValueError(f"positive names what is not a class: {', '.join(unknown)}.")
        if self.task == "segmentation":
            if not self.classes:
                raise ValueError("name the structures that masks show, in order, under 'classes'.")
            if len(self.classes) > MOST_STRUCTURES:
                raise ValueError(f"at most {MOST_STRUCTURES} structures are read.")
            return self
        if self.classes and not self.positive:
            raise ValueError("say under 'positive' which classes count as finding present.")
        if self.classes and set(self.positive) == set(self.classes):
            raise ValueError("if every class is positive, every case is: leave one out.")
        return self
