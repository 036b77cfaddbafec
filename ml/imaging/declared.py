"""What a model declares about its input: the only source of how a picture becomes numbers."""

import math
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

AXES = ("RL", "AP", "SI")  # right and left, anterior and posterior, superior and inferior
MOST_VALUES = 8192**2  # of one image or patch
PER_CHANNEL = "one number, or one for each channel"


class Strict(BaseModel):
    """Unknown keys are errors: a misspelt key would otherwise be silently without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Resize(Strict):
    mode: Literal["bilinear", "bicubic", "nearest"] = "bilinear"
    antialias: Literal["none", "pillow"] = "pillow"


class Intensity(Strict):
    """In this order: window or clip, divide by scale, subtract mean, divide by std."""

    scale: float = Field(default=1.0, gt=0)  # divides: 255 brings 8 bits to 0..1
    mean: float | list[float] | None = None
    std: float | list[float] | None = None
    window: tuple[float, float] | None = None  # low, high in the file's unit -> 0..1
    clip: tuple[float, float] | None = None  # low, high in the file's unit

    @model_validator(mode="after")
    def _ranges(self) -> "Intensity":
        if self.window and self.clip:
            raise ValueError("declare a window or a clip, not both.")
        for pair in (self.window, self.clip):
            if pair and pair[0] >= pair[1]:
                raise ValueError("a range is [low, high] with low below high.")
        stds = self.std if isinstance(self.std, list) else [self.std]
        if any(std is not None and std <= 0 for std in stds):
            raise ValueError("std must be above zero.")
        return self


class Patch(Strict):
    """The network takes a piece of an image at a time; answers of overlapping ones are averaged."""

    size: tuple[int, ...]  # of a piece, in the order of ``Input.size``
    overlap: float = Field(default=0.25, ge=0, le=0.9)  # share of a side that two pieces have
    mode: Literal["constant", "gaussian"] = "constant"  # weights: all alike, or the middle's more


class Input(Strict):
    """What the network takes; ``patch``, ``spacing_mm`` and ``orientation`` may be left out.

    A picture has the sides (height, width). A volume has three, along the axes that
    ``orientation`` names: RAS runs to the patient's right, front (anterior) and top (superior).
    """

    dims: Literal[2, 3] = 2
    channels: int | None = Field(default=None, ge=1, le=4)
    # In pixels; None: as large as it comes, for a network that takes it by the piece.
    size: tuple[int, ...] | None = None
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    colour: Literal["gray", "rgb"] = "gray"
    resize: Resize = Resize()
    intensity: Intensity = Intensity()
    patch: Patch | None = None
    spacing_mm: tuple[float, float, float] | None = None  # resampled to; None: as it comes
    orientation: str | None = None  # of a volume; None is RAS

    @model_validator(mode="before")
    @classmethod
    def _unsmoothed(cls, value: object) -> object:
        """Volumes are resized as networks do, without smoothing them first."""
        if isinstance(value, dict) and value.get("dims") == 3:
            resize = value.get("resize", {})
            if isinstance(resize, dict):
                return {**value, "resize": {"antialias": "none", **resize}}
        return value

    @field_validator("size", mode="before")
    @classmethod
    def _square(cls, size: object) -> object:
        return (size, size) if isinstance(size, int) else size

    @model_validator(mode="after")
    def _channels(self) -> "Input":
        if self.channels not in (None, self.n_channels):
            raise ValueError(f"colour {self.colour} has {self.n_channels} channels.")
        for name in ("mean", "std"):
            value = getattr(self.intensity, name)
            if isinstance(value, list) and len(value) != self.n_channels:
                raise ValueError(f"intensity.{name} must be {PER_CHANNEL}.")
        return self

    @model_validator(mode="after")
    def _sides(self) -> "Input":
        if self.size is None and self.patch is None:
            raise ValueError("size is missing: only a network that takes patches goes without.")
        sides = "[height, width]" if self.dims == 2 else "three numbers, one for each axis,"
        given = {"size": self.size, "patch.size": self.patch.size if self.patch else None}
        for name, size in given.items():
            if size is None:
                continue
            if len(size) != self.dims or not all(1 <= side <= 8192 for side in size):
                raise ValueError(f"{name} is {sides} in pixels, each from 1 to 8192.")
            if math.prod(size) > MOST_VALUES:
                raise ValueError(f"{name} has more than {MOST_VALUES:,} values.")
        return self

    @model_validator(mode="after")
    def _volumes(self) -> "Input":
        if self.dims == 2:
            if self.spacing_mm is not None or self.orientation is not None:
                raise ValueError("spacing_mm and orientation belong to volumes (dims: 3).")
            return self
        if self.layout != "NCHW" or self.colour != "gray":
            raise ValueError("volumes are gray and have their channel first (NCHW).")
        if self.resize.mode == "bicubic" or self.resize.antialias != "none":
            raise ValueError("volumes are resized bilinear (trilinear) or nearest, antialias none.")
        if self.spacing_mm is not None and not all(0.01 <= mm <= 100 for mm in self.spacing_mm):
            raise ValueError("spacing_mm is three numbers, each from 0.01 to 100 mm.")
        axes = [next((at for at, two in enumerate(AXES) if sign in two), -1) for sign in self.axes]
        if sorted(axes) != [0, 1, 2]:
            raise ValueError("orientation names each axis once, as in RAS, LPS or SAR.")
        return self

    @model_serializer(mode="wrap")
    def _without_what_was_not_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Manifests keep the hash that they had before there were patches and volumes."""
        value: dict[str, Any] = handler(self)
        for name in ("patch", "spacing_mm", "orientation"):
            if getattr(self, name) is None:
                del value[name]
        return value

    @property
    def n_channels(self) -> int:
        return 3 if self.colour == "rgb" else 1

    @property
    def axes(self) -> str:
        """The directions that the axes of a volume run to."""
        return self.orientation or "RAS"

    @property
    def sides(self) -> tuple[int, ...]:
        """Of what the network takes at once: a patch, or the whole image."""
        found = self.patch.size if self.patch else self.size
        assert found is not None
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what the network takes at once, without the batch."""
        nchw = self.layout == "NCHW"
        return (self.n_channels, *self.sides) if nchw else (*self.sides, self.n_channels)
