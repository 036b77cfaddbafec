"""A model behind an address, declared in a form instead of a model.yaml; it becomes that file."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from django import forms
from pydantic import ValidationError as Invalid

from ml.endpoint.address import Allowed, parse
from ml.endpoint.policy import Policy
from ml.endpoint.problem import EndpointError
from ml.intake.manifest import problem, validated
from ml.intake.model_manifest import MANIFEST, ModelManifest
from ml.intake.refusal import Refused

# Where in the manifest a field stands; what is wrong there is said beside the field.
PLACES: Mapping[tuple[str, ...], str] = {
    ("name",): "name",
    ("version",): "version",
    ("intended_use",): "intended_use",
    ("url",): "url",
    ("endpoint", "model"): "model",
    ("endpoint", "version"): "model_version",
    ("endpoint", "input"): "tensor",
    ("endpoint", "datatype"): "datatype",
    ("endpoint", "data"): "sent_as",
    ("endpoint", "most_cases"): "most_cases",
    ("endpoint", "seconds"): "seconds",
    ("input", "size"): "size",
    ("input", "colour"): "colour",
    ("input", "layout"): "layout",
    ("input", "intensity", "scale"): "scale",
    ("input", "intensity", "mean"): "mean",
    ("input", "intensity", "std"): "std",
    ("input", "intensity", "window"): "window",
    ("input", "intensity"): "window",
    ("input",): "size",
    ("output", "name"): "output",
    ("output", "kind"): "kind",
    ("output", "classes"): "classes",
    ("output", "activation"): "activation",
    ("output", "positive"): "positive",
    ("output",): "positive",
    ("operating_points",): "threshold",
}


def _choices(*values: str) -> list[tuple[str, str]]:
    return [(value, value) for value in values]


class NumbersField(forms.CharField):
    """Numbers with commas between them; an empty one is None."""

    def __init__(self, *, counts: tuple[int, ...], whole: bool = False, **more: Any) -> None:
        super().__init__(**more)
        self.counts, self.whole = counts, whole

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            found = [(int if self.whole else float)(part) for part in text.split(",")]
        except ValueError:
            raise forms.ValidationError("Numbers, with commas between them.") from None
        if len(found) not in self.counts:
            counts = " or ".join(map(str, self.counts))
            raise forms.ValidationError(f"{counts} numbers, with commas between them.")
        return found


class NamesField(forms.CharField):
    """Names with commas or line ends between them."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value).replace("\n", ",")
        return [name.strip() for name in text.split(",") if name.strip()]


class EndpointForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="What the model is called here.")
    version = forms.CharField(
        max_length=60, help_text="Of this entry. What you hand in never changes afterwards."
    )
    intended_use = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))
    url = forms.CharField(
        label="Address",
        help_text="What stands before /v2, such as https://models.example.org/serving.",
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off"}),
    )
    model = forms.CharField(label="Model on the server")
    model_version = forms.CharField(
        label="Its version", required=False, help_text="Left empty: whichever the server takes."
    )
    tensor = forms.CharField(
        label="Input tensor",
        required=False,
        help_text="Left empty: the one that the server’s metadata names.",
    )
    output = forms.CharField(
        label="Output tensor", required=False, help_text="Left empty: the only or first one."
    )
    datatype = forms.ChoiceField(choices=_choices("FP32", "FP16", "FP64", "UINT8"))
    sent_as = forms.ChoiceField(
        label="Sent as",
        choices=[("json", "JSON"), ("binary", "binary, where the server has that extension")],
    )
    most_cases = forms.IntegerField(label="Cases in one request", initial=8)
    seconds = forms.FloatField(label="Seconds that one request may take", initial=30)
    size = NumbersField(
        label="Height, width", counts=(2,), whole=True, help_text="In pixels, such as 224, 224."
    )
    colour = forms.ChoiceField(choices=[("gray", "gray"), ("rgb", "three colours (RGB)")])
    layout = forms.ChoiceField(
        choices=[("NCHW", "channels first (NCHW)"), ("NHWC", "channels last (NHWC)")]
    )
    window = NumbersField(
        required=False,
        counts=(2,),
        help_text="Lowest, highest, in the file’s unit; they become 0 and 1. For DICOM.",
    )
    scale = forms.FloatField(
        label="Divided by", initial=255, help_text="255 brings 8 bits to 0 to 1; 1 leaves them."
    )
    mean = NumbersField(
        label="Less", required=False, counts=(1, 3), help_text="One number, or one a channel."
    )
    std = NumbersField(
        label="Then divided by",
        required=False,
        counts=(1, 3),
        help_text="One number, or one a channel.",
    )
    kind = forms.ChoiceField(
        label="It answers with", choices=[("logits", "logits"), ("probabilities", "probabilities")]
    )
    activation = forms.ChoiceField(
        choices=[("softmax", "softmax: one class a case"), ("sigmoid", "sigmoid: each by itself")]
    )
    classes = NamesField(help_text="In the order of the output, with commas between them.")
    positive = NamesField(label="Counts as finding", help_text="One or several of the classes.")
    threshold = forms.FloatField(
        required=False, min_value=0, max_value=1, help_text="Of the finding, from 0 to 1."
    )

    SECTIONS = (
        ("What it is", ("name", "version", "intended_use")),
        (
            "Where it is asked",
            ("url", "model", "model_version", "tensor", "output", "datatype", "sent_as",
             "most_cases", "seconds"),
        ),
        ("What it takes", ("size", "colour", "layout", "window", "scale", "mean", "std")),
        ("What it answers", ("kind", "activation", "classes", "positive", "threshold")),
    )  # fmt: skip

    @property
    def columns(self) -> list[list[tuple[str, list[forms.BoundField]]]]:
        """The sections in two columns of the same length, in the order of the Tab key."""
        filled = [(title, [self[name] for name in names]) for title, names in self.SECTIONS]
        return [filled[:2], filled[2:]]

    def clean_url(self) -> str:
        """As far as its text tells; a worker looks its name up and decides again."""
        url: str = self.cleaned_data["url"]
        try:
            parse(url, Allowed.of(Policy.of(os.environ, None).allowed))
        except EndpointError as error:
            raise forms.ValidationError(error.message, code=error.code) from None
        except ValueError:
            raise forms.ValidationError(
                "The operator’s list ENDPOINT_ALLOWED_HOSTS cannot be read, so no address is taken."
            ) from None
        return url

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        value = manifest_of(data)
        try:
            ModelManifest.model_validate(value)
            validated(ModelManifest, value, MANIFEST)  # what cannot be printed
        except Invalid as error:
            for one in error.errors():
                self.add_error(field_of(one["loc"]), problem(one))
        except Refused as refused:
            for refusal in refused.refusals:
                self.add_error(None, refusal.message)
        return data

    def as_yaml(self) -> bytes:
        """The model.yaml that this form says."""
        value = manifest_of(self.cleaned_data)
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode()

    def add_refusals(self, refusals: Iterable[Mapping[str, Any]]) -> None:
        """What a worker found of it, beside the fields: the address's own rules beside it."""
        for refusal in refusals:
            code = str(refusal.get("code", ""))
            field = "url" if code.startswith("endpoint_") else None
            self.add_error(field, f"{refusal.get('message', '')} ({code})")


def field_of(place: tuple[int | str, ...]) -> str | None:
    """The field that stands nearest to a place of the manifest.

    >>> field_of(("input", "size", 0)), field_of(("endpoint", "model")), field_of(())
    ('size', 'model', None)
    """
    words = tuple(str(part) for part in place)
    found = (PLACES.get(words[:n]) for n in range(len(words), 0, -1))
    return next((name for name in found if name is not None), None)


def manifest_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest; what was left empty is left out."""
    asked = {
        "model": data["model"],
        "version": data["model_version"],
        "input": data["tensor"],
        "datatype": data["datatype"],
        "data": data["sent_as"],
        "most_cases": data["most_cases"],
        "seconds": data["seconds"],
    }
    intensity = {
        "scale": data["scale"],
        "window": data["window"],
        "mean": _one_or_more(data["mean"]),
        "std": _one_or_more(data["std"]),
    }
    output = {
        "name": data["output"],
        "kind": data["kind"],
        "classes": data["classes"],
        "activation": data["activation"],
        "positive": data["positive"],
    }
    value = {
        "name": data["name"],
        "version": data["version"],
        "format": "endpoint",
        "url": data["url"],
        "endpoint": _given(asked),
        "intended_use": data["intended_use"],
        "input": {
            "size": data["size"],
            "colour": data["colour"],
            "layout": data["layout"],
            "intensity": _given(intensity),
        },
        "output": _given(output),
    }
    if data["threshold"] is not None:
        value["operating_points"] = [{"name": "default", "threshold": data["threshold"]}]
    return _given(value)


def _given(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: one for key, one in value.items() if one not in ("", None)}


def _one_or_more(numbers: list[float] | None) -> float | list[float] | None:
    return numbers[0] if numbers is not None and len(numbers) == 1 else numbers
