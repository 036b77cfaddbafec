"""`model.yaml`: what a model says of itself, and how its input and output are to be understood."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from ml.engine.device import Autocast
from ml.imaging.declared import Input, Strict
from ml.imaging.mask import MOST_STRUCTURES
from ml.intake.manifest import Name, Text

Format = Literal[
    "onnx", "pt2", "safetensors", "monai-bundle", "torchscript", "ensemble", "endpoint"
]


MANIFEST = "model.yaml"
BY_NAME = ("safetensors", "monai-bundle")  # weights alone: the network is built from its name
ENSEMBLE: Format = "ensemble"
BY_TORCH = ("pt2", *BY_NAME, ENSEMBLE)  # what torch runs on a GPU
# How a model and its version may be called in an address.
PathWord = Annotated[Name, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
MOST_MEMBERS = 20


class OperatingPoint(Strict):
    name: Name
    threshold: float = Field(ge=0, le=1)


class Scores(Strict):
    """How numbers per class are to be read; shared by models and uploaded predictions."""

    kind: Literal["logits", "probabilities"]
    classes: list[Name] = Field(min_length=1, max_length=1000)
    activation: Literal["softmax", "sigmoid"] | None = None
    positive: list[Name] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> "Scores":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("every class is named once.")
        unknown = [name for name in self.positive if name not in self.classes]
        if unknown:
            raise ValueError(f"positive names what is not a class: {', '.join(unknown)}.")
        if self.kind == "logits" and self.activation is None:
            raise ValueError("logits need an activation: softmax or sigmoid.")
        if self.softmax and len(self.classes) == 1:
            raise ValueError("softmax over one class is always 1: declare sigmoid.")
        if self.softmax and set(self.positive) == set(self.classes):
            raise ValueError("if every class is positive, every case is: leave one out.")
        return self

    def check_score(self) -> None:
        """One number for a case must come of the positive classes.

        Raises:
            ValueError: where their probabilities cannot be added.
        """
        if not self.softmax and len(set(self.positive)) > 1:
            raise ValueError(
                "sigmoid outputs do not exclude each other, so their probabilities cannot be "
                "added: name one positive class."
            )

    @property
    def softmax(self) -> bool:
        """The probabilities of a case add up to 1."""
        if self.activation is not None:
            return self.activation == "softmax"
        return len(self.classes) > 1


class Output(Scores):
    name: Name | None = None  # of the graph's output; absent: the first


class Architecture(Strict):
    """Which network the weights belong to: a name of the table, its arguments, how it sees."""

    name: Name  # see ml.intake.architectures
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    # MONAI's readers put x before y; a network trained on such pictures takes them so.
    axes: Literal["yx", "xy"] = "yx"


class Endpoint(Strict):
    """How a model behind an address is asked, by the Open Inference Protocol v2."""

    model: PathWord
    version: PathWord | None = None  # absent: whichever the server takes
    input: Name | None = None  # name of the tensor; absent: the one of the server's metadata
    datatype: Literal["FP32", "FP16", "FP64", "UINT8"] = "FP32"
    data: Literal["json", "binary"] = "json"
    most_cases: int = Field(default=8, ge=1, le=64)  # in one request
    seconds: float = Field(default=30.0, ge=0.1, le=300)  # that one request may take


class Runtime(Strict):
    """How a model is to be run where there is a choice."""

    # On a GPU, of the operations that torch's autocast counts as safe in so few digits.
    autocast: Autocast


class ModelManifest(Strict):
    name: Name
    version: Name
    format: Format
    file: Name | None = None
    files: list[Name] | None = None
    members: list[Name] | None = Field(default=None, max_length=MOST_MEMBERS)  # of an ensemble
    task: Literal["classification", "segmentation"] = "classification"
    intended_use: Text = ""
    operating_points: list[OperatingPoint] = Field(default_factory=list, max_length=20)
    input: Input
    output: Output
    target_layer: Name | None = None
    feature_layer: Name | None = None
    dropout: Literal["allowed"] | None = None
    architecture: Architecture | None = None
    url: Text | None = None
    endpoint: Endpoint | None = None
    runtime: Runtime | None = None

    @model_serializer(mode="wrap")
    def _without_what_others_never_had(
        self, handler: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        """Manifests of other formats keep the hash they had before there were such keys."""
        value: dict[str, Any] = handler(self)
        for name in ("architecture", "members", "url", "endpoint", "runtime"):
            if value[name] is None:
                del value[name]
        return value

    @model_validator(mode="after")
    def _task(self) -> "ModelManifest":
        if self.task == "classification":
            self.output.check_score()
            if self.input.patch is not None:
                raise ValueError("input.patch belongs to networks that segment.")
            return self
        if len(self.output.positive) > MOST_STRUCTURES:
            raise ValueError(f"at most {MOST_STRUCTURES} structures are read.")
        if len(set(self.output.positive)) < len(self.output.positive):
            raise ValueError("output.positive: every structure is named once.")
        return self

    @model_validator(mode="after")
    def _one_file(self) -> "ModelManifest":
        if (self.members is not None) != (self.format == ENSEMBLE):
            raise ValueError(
                "an ensemble names its files as 'members: [NAME, NAME, ...]', and no other format "
                "does."
            )
        remote = self.format == "endpoint"
        if remote != (self.url is not None) or remote != (self.endpoint is not None):
            raise ValueError("'url' and 'endpoint' belong to the format endpoint, and to no other.")
        given = [one for one in (self.file, self.files, self.members) if one is not None]
        if remote and given:
            raise ValueError("a model behind an address has no file: leave 'file' out.")
        if not remote and len(given) != 1:
            raise ValueError("name the weights once: 'file: NAME' or 'files: [NAME, ...]'.")
        if self.members is not None and self.dropout is not None:
            raise ValueError("the members of an ensemble are its samples: leave 'dropout' out.")
        names = [point.name for point in self.operating_points]
        if len(set(names)) < len(names):
            raise ValueError("two operating points have the same name.")
        if self.format != ENSEMBLE and (self.architecture is not None) != (self.format in BY_NAME):
            raise ValueError(
                f"an architecture belongs to the formats {' and '.join(BY_NAME)}, and to no other."
            )
        if self.runtime is not None and self.format not in BY_TORCH:
            raise ValueError(
                f"runtime.autocast belongs to {', '.join(BY_TORCH)}: torch does not run "
                "the others, which compute with the numbers of their file."
            )
        if self.architecture is not None and self.input.layout != "NCHW":
            raise ValueError("networks built by name take pictures as NCHW.")
        return self

    @property
    def maps(self) -> str:
        """The layout of the network's maps; "" where it gives one row of scores."""
        return self.input.layout if self.task == "segmentation" else ""

    @property
    def autocast(self) -> Autocast | None:
        return self.runtime.autocast if self.runtime else None

    @property
    def weights(self) -> list[str]:
        return self.members or self.files or [self.file or ""]

    def of_member(self, kind: Format) -> "ModelManifest":
        """What a member of this ensemble declares, as a model of its own.

        Args:
            kind: the format that its file is in.
        """
        named = self.architecture if kind in BY_NAME else None
        return self.model_copy(
            update={"format": kind, "members": None, "file": "member", "architecture": named}
        )
