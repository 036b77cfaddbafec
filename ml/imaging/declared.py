"""What a model declares about its input: the only source of how a picture becomes numbers."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

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


class Input(Strict):
    dims: Literal[2, 3] = 2
    channels: int | None = Field(default=None, ge=1, le=4)
    size: tuple[int, int]  # height, width in pixels
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    colour: Literal["gray", "rgb"] = "gray"
    resize: Resize = Resize()
    intensity: Intensity = Intensity()

    @field_validator("size", mode="before")
    @classmethod
    def _square(cls, size: object) -> object:
        return (size, size) if isinstance(size, int) else size

    @model_validator(mode="after")
    def _channels(self) -> "Input":
        if not all(1 <= side <= 8192 for side in self.size):
            raise ValueError("size is [height, width] in pixels, each from 1 to 8192.")
        if self.channels not in (None, self.n_channels):
            raise ValueError(f"colour {self.colour} has {self.n_channels} channels.")
        for name in ("mean", "std"):
            value = getattr(self.intensity, name)
            if isinstance(value, list) and len(value) != self.n_channels:
                raise ValueError(f"intensity.{name} must be {PER_CHANNEL}.")
        return self

    @property
    def n_channels(self) -> int:
        return 3 if self.colour == "rgb" else 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one case, without the batch."""
        height, width = self.size
        nchw = self.layout == "NCHW"
        return (self.n_channels, height, width) if nchw else (height, width, self.n_channels)
