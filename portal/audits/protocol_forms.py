"""What a person fills in to write a protocol: its text, or its limits one by one."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from ml.checks import all_checks
from ml.engine.explain_form import METHODS, methods_there
from ml.limits import ORIGINS, REQUESTED_LIMITS
from ml.protocol import (
    DEFAULT_ATTACK_CASES,
    DEFAULT_EXPLANATION_CASES,
    DEFAULT_EXPLANATION_STEPS,
    DEFAULT_SET_COVERAGE,
    DEFAULT_SHIFT_CASES,
    DEFAULT_SHORTCUT_CASES,
    DEFAULT_STRESS_CASES,
    DEFAULT_TARGET_ERROR,
    DEFAULT_TOLERANCE_MM,
    FLIPS,
)
from ml.protocol import Protocol as Rules
from portal.audits.protocol_text import read_yaml
from portal.ui.measures import measure

# check -> the measures a limit can be set on, as audit.json names them
MEASURES = {
    "cohort-fitness": ("auroc:files", "auroc:files of other dimensions", "labelled", "prevalence"),
    "duplicates": ("duplicates", "duplicates:across units", "label_conflicts"),
    "leakage": ("leaked", "leaked:bytes", "leaked:pixels", "leaked:near", "leaked:patient"),
    "discrimination": ("auroc",),
    "operating-point": ("sensitivity", "specificity", "ppv", "npv"),
    "calibration": ("ece_top_label", "ece", "ece_debiased", "intercept", "slope", "brier"),
    "subgroups": ("auroc_gap", "sensitivity_gap", "specificity_gap"),
    "worst-slice": ("slice_effect",),
    "clinical-utility": ("net_benefit_gain", "net_benefit"),
    "uncertainty": (
        *("auroc_failure:total", "auroc_failure:epistemic", "auroc_failure:aleatoric"),
        *("aurc:total", "aurc:epistemic", "sampling_change"),
    ),
    "selective-prediction": (
        *("aurc_gain", "error_when_sure", "deferred_at_target", "risk_at_coverage:0.8"),
        *("aurc", "augrc", "conformal_coverage:lac", "conformal_mean_size:lac"),
    ),
    "stress": (
        *("accuracy_loss", "auroc_loss", "severity_borne", "error_when_sure"),
        *("mean_accuracy_loss", "flip_rate:mild", "dice_loss", "mean_dice_loss"),
    ),
    "shift-consistency": (
        *("flip_rate", "flip_rate:translation", "flip_rate:rotation", "flip_rate:crop"),
        *("flip_rate:padding", "score_change", "map_agreement", "mask_agreement"),
    ),
    "adversarial-lite": (
        *("flip_rate:pgd, eps 1/255", "flip_rate:fgsm, eps 1/255", "eps_median:pgd"),
        *("accuracy:pgd, eps 1/255", "zero_gradient"),
    ),
    "explanation-faithfulness": (
        *("gain:random", "gain:edges", "gain:centre", "order_gap:map"),
        *("baseline_agreement:mean and noisy-linear", "comprehensiveness_gain:random"),
        *("sufficiency_gain:random", "correlation_gain:random"),
    ),
    "shortcut": ("reliance", "dependence", "auroc:answer by metadata"),
    "normalisation": (
        *("mean_shift", "log_variance_ratio", "accuracy_regained", "auroc_regained"),
        *("flip_rate", "mates_change"),
    ),
    "gradient-flow": ("gradient_share", "gradient_decades", "dead_units", "saturated_share"),
    "explanation-sanity": (
        *("map_survives", "class_survives", "map_similarity", "class_similarity"),
        "map_sensitivity",
    ),
    "explanation-plausibility": (
        *("relevance_mass", "pointing_game", "mass_gain:random", "pointing_gain:random"),
        *("quadrant:faithful only", "quadrant:plausible only"),
    ),
    "ood-detection": ("confident_findings",),
    "memorisation": (
        *("membership_auroc", "generalisation_gap:accuracy", "generalisation_gap:auroc"),
        *("generalisation_gap:loss", "copies"),
    ),
    "handcrafted-baseline": (
        *("auroc_difference:model-handcrafted", "auroc:files"),
        *("auroc:handcrafted", "auroc:pixels"),
    ),
    "agreement": ("alpha", "kappa_fleiss", "kappa_conger", "kappa_weighted", "icc", "reader_bias"),
    "mrmc": (
        "auroc_difference:model-readers",
        "sensitivity_difference:model-readers",
        "specificity_difference:model-readers",
    ),
    "ai-vs-readers": ("interchangeability", "loo_kappa:difference", "alt_winning_rate"),
    "segmentation": (
        *("dice", "iou", "surface_dice", "hd95", "assd", "volume_similarity"),
        *("missed", "invented"),
    ),
    "segmentation-panel": ("reader_dice", "model_reader_difference", "model_minus_readers"),
    "segmentation-uncertainty": (
        *("loss_correlation:disagreement", "loss_aurc:disagreement", "mask_doubt:disagreement"),
    ),
}
ORIGIN_WORDS = [(origin, origin.replace("platform-", "platform ")) for origin in ORIGINS]
DIRECTIONS = [("min", "at least"), ("max", "at most")]
SPARE_ROWS = 3
WIDE = {"class": "inp"}
NAME_HINT = "A name that exists gets its next version."


class TextForm(forms.Form):
    """A protocol.yaml, pasted or as a file."""

    name = forms.CharField(
        max_length=120,
        required=False,
        label="Name",
        widget=forms.TextInput(attrs=WIDE),
        help_text=f"Left empty: the title in the protocol. {NAME_HINT}",
    )
    text = forms.CharField(
        required=False,
        label="protocol.yaml",
        widget=forms.Textarea(attrs={"rows": 24, "class": "inp code", "spellcheck": "false"}),
    )
    file = forms.FileField(
        required=False, label="Or a file", help_text="Taken instead of the text above."
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        file = cleaned.get("file")
        text = cleaned.get("text") or ""
        if file is not None:
            try:
                text = file.read(1_000_000).decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise ValidationError({"file": "This is not text: choose a .yaml file."}) from error
        try:
            cleaned["body"] = read_yaml(text)
        except ValidationError as error:
            raise ValidationError({"file" if file else "text": error.messages}) from error
        named = str(cleaned.get("name") or cleaned["body"].get("title") or "").strip()
        if not named:
            raise ValidationError({"name": "Give it a name here, or a title in the protocol."})
        cleaned["name"] = named[:120]
        return cleaned


class LimitForm(forms.Form):
    """One limit; a row without a number is left out."""

    on = forms.ChoiceField(label="Measure", required=False)
    direction = forms.ChoiceField(label="Must be", choices=DIRECTIONS, initial="min")
    value = forms.FloatField(label="Limit", required=False)
    origin = forms.ChoiceField(label="Origin", choices=ORIGIN_WORDS, initial=ORIGINS[0])
    reference = forms.CharField(
        label="Where the number comes from",
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        on = self.fields["on"]
        assert isinstance(on, forms.ChoiceField)
        on.choices = [("", "choose"), *_measures()]
        for name, field in self.fields.items():
            wide = name in ("value", "reference")
            field.widget.attrs |= {
                "class": "inp" if wide else "inp auto",
                "aria-label": field.label,
            }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("value") is not None and not cleaned.get("on"):
            raise ValidationError({"on": "Which measure?"})
        return cleaned

    @property
    def limit(self) -> dict[str, Any] | None:
        given = self.cleaned_data
        if given.get("value") is None:
            return None
        check, _, name = given["on"].partition(".")
        return {
            "check": check,
            "measure": name,
            "value": given["value"],
            "direction": given["direction"],
            "origin": given["origin"],
            "reference": given["reference"],
        }


LimitSet = forms.formset_factory(LimitForm, extra=SPARE_ROWS, max_num=60, absolute_max=60)


class RulesForm(forms.Form):
    """Everything of a protocol but its limits."""

    name = forms.CharField(max_length=120, label="Name", help_text=NAME_HINT)
    checks = forms.MultipleChoiceField(label="Checks", widget=forms.CheckboxSelectMultiple)
    operating_point = forms.CharField(
        required=False,
        label="Operating point",
        help_text="A threshold from 0 to 1, or the name of one that the model declares. Left "
        "empty: the model's first.",
    )
    prevalence = forms.FloatField(
        required=False,
        label="Prevalence",
        help_text="Of the finding where the model is meant to be used, 0 to 1. PPV and NPV are "
        "given for it.",
    )
    tolerance_mm = forms.FloatField(
        required=False,
        label="Tolerance of borders, mm",
        help_text="Of masks: up to which distance two borders count as the same. Left empty: "
        f"{DEFAULT_TOLERANCE_MM:g}.",
    )
    target_error = forms.FloatField(
        required=False,
        label="Target of errors",
        help_text="Share of wrong answers that the model may give alone: for selective prediction. "
        f"Left empty: {DEFAULT_TARGET_ERROR:g}.",
    )
    set_coverage = forms.FloatField(
        required=False,
        label="Coverage of prediction sets",
        help_text=f"Share of sets that hold the truth. Left empty: {DEFAULT_SET_COVERAGE:g}.",
    )
    stress_cases = forms.IntegerField(
        required=False,
        label="Cases of the stress test",
        help_text="At most, drawn by the seed: each is run 30 times and more. Left empty: "
        f"{DEFAULT_STRESS_CASES}.",
    )
    stress_samples = forms.IntegerField(
        required=False,
        label="Answers to each corrupted image",
        help_text="Of a network’s dropout, 4 to 200, for its uncertainty under corruption; of an "
        "ensemble all members answer. Each copy is then run so many times more. Left empty: "
        "none.",
    )
    shift_cases = forms.IntegerField(
        required=False,
        label="Cases of shift consistency",
        help_text="At most, drawn by the seed: each is moved 20 times and more. Left empty: "
        f"{DEFAULT_SHIFT_CASES}.",
    )
    attack_cases = forms.IntegerField(
        required=False,
        label="Cases that are attacked",
        help_text="At most, drawn by the seed: each costs as much as 200 runs and more. Left "
        f"empty: {DEFAULT_ATTACK_CASES}.",
    )
    explanation_cases = forms.IntegerField(
        required=False,
        label="Cases whose maps are tried",
        help_text="At most, drawn by the seed, as many with the finding as without it where labels "
        "tell: each is run about 270 times with parts taken away. "
        f"Left empty: {DEFAULT_EXPLANATION_CASES}.",
    )
    explanation_steps = forms.IntegerField(
        required=False,
        label="Steps in which parts are taken away",
        help_text="From 4 to 50; twice as many take nearly twice as long. Left empty: "
        f"{DEFAULT_EXPLANATION_STEPS}.",
    )
    explanation_methods = forms.MultipleChoiceField(
        required=False,
        label="Maps that are tried",
        choices=[(name, METHODS[name].title) for name in methods_there()],
        widget=forms.CheckboxSelectMultiple,
        help_text="The first of them is the one that pages show. Each further one is run about 54 "
        "times more, beside what its maps cost. None chosen: Grad-CAM.",
    )
    shortcut_cases = forms.IntegerField(
        required=False,
        label="Cases in which places are changed",
        help_text="At most, drawn by the seed: each is run up to 40 times. Left empty: "
        f"{DEFAULT_SHORTCUT_CASES}.",
    )
    legal_flips = forms.MultipleChoiceField(
        required=False,
        label="Mirrors that change nothing of a patient",
        choices=[(flip, flip.replace("-", " to ")) for flip in FLIPS],
        widget=forms.CheckboxSelectMultiple,
    )
    corruptions = forms.CharField(
        required=False,
        label="Corruptions of the stress test",
        help_text="Their names with commas between them, such as gaussian-noise, mr-motion. Of "
        "these, those are run that fit the cohort. Left empty: all that fit.",
    )
    gradient_scores = forms.BooleanField(
        required=False,
        label="ODIN and GradNorm of foreign images",
        help_text="They take the gradient of each case: about five runs more. A model that cannot "
        "be looked into has none.",
    )
    keep_maps = forms.BooleanField(
        required=False,
        label="Maps to look at",
        help_text="Of volumes, and of each structure that a model marks, where it can be looked "
        "into. No check reads them; the viewer of a case shows them.",
    )
    level = forms.FloatField(label="Level of every interval")
    seed = forms.IntegerField(label="Seed", min_value=0)
    draws = forms.IntegerField(label="Draws of every bootstrap")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        checks = self.fields["checks"]
        assert isinstance(checks, forms.MultipleChoiceField)
        checks.choices = [(check.id, check.title) for check in all_checks()]
        for field in self.fields.values():
            if not isinstance(field, forms.MultipleChoiceField | forms.BooleanField):
                field.widget.attrs |= WIDE

    def body(self, limits: LimitSet) -> dict[str, Any]:  # type: ignore[valid-type]
        given = {key: value for key, value in self.cleaned_data.items() if value not in (None, "")}
        given["title"] = given.pop("name")
        if not given.get("explanation_methods"):  # none chosen is the platform's own choice
            given.pop("explanation_methods", None)
        if "operating_point" in given:
            given["operating_point"] = _number_or_name(given["operating_point"])
        if "corruptions" in given:
            given["corruptions"] = [
                name.strip() for name in given["corruptions"].split(",") if name.strip()
            ]
        given["limits"] = [
            form.limit
            for form in limits  # type: ignore[attr-defined]
            if form.limit is not None
        ]
        return given


def initial_rules(rules: Rules, name: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "checks": list(rules.checks),
        "operating_point": "" if rules.operating_point is None else rules.operating_point,
        "prevalence": rules.prevalence,
        "tolerance_mm": rules.tolerance_mm,
        "target_error": rules.target_error,
        "set_coverage": rules.set_coverage,
        "stress_cases": rules.stress_cases,
        "shift_cases": rules.shift_cases,
        "attack_cases": rules.attack_cases,
        "explanation_cases": rules.explanation_cases,
        "explanation_steps": rules.explanation_steps,
        "explanation_methods": list(rules.explanation_methods),
        "shortcut_cases": rules.shortcut_cases,
        "legal_flips": list(rules.legal_flips),
        "corruptions": ", ".join(rules.corruptions),
        "stress_samples": rules.stress_samples or None,
        "gradient_scores": rules.gradient_scores,
        "keep_maps": rules.keep_maps,
        "level": rules.level,
        "seed": rules.seed,
        "draws": rules.draws,
    }


def initial_limits(rules: Rules) -> list[dict[str, Any]]:
    """Those of some rules, and the platform's own for checks that are asked by request alone."""
    return [
        {
            "on": f"{limit.check}.{limit.measure}",
            "direction": limit.direction,
            "value": limit.value,
            "origin": limit.origin,
            "reference": limit.reference,
        }
        for limit in (*rules.limits, *REQUESTED_LIMITS)
    ]


def _measures() -> list[tuple[str, list[tuple[str, str]]]]:
    titles = {check.id: check.title for check in all_checks()}
    return [
        (titles.get(check, check), [(f"{check}.{name}", _label(name)) for name in names])
        for check, names in MEASURES.items()
    ]


def _label(name: str) -> str:
    found = measure(name)
    return f"{found.name}, {found.counted_in}" if found.counted_in else found.name


def _number_or_name(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip()
