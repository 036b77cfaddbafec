"""Text that may stand in the pixels: what the kind of object and its own words let expect."""

from dataclasses import dataclass
from typing import Literal

from PIL import Image
from pydicom.dataset import Dataset

from ml.estimate import JsonObject, JsonValue
from ml.imaging.deid.procedure import ObjectClass, Procedure
from ml.imaging.deid.text_marks import text_marks
from ml.imaging.deid.values import listed

State = Literal["clear", "declared", "needs_review"]
_COLOUR = ("RGB", "YBR", "PALETTE")


@dataclass(frozen=True)
class BurnedIn:
    """``clear``: the kind of object has no text as a rule, and nothing in the header speaks for it.

    ``declared``: the kind may have some, and the file says that this one has none.
    ``needs_review``: a person has to look.
    """

    state: State
    reasons: tuple[str, ...] = ()  # sentences

    def to_json(self) -> JsonObject:
        return {"state": self.state, "reasons": list[JsonValue](self.reasons)}


def burned_in(dataset: Dataset, kind: ObjectClass, procedure: Procedure) -> BurnedIn:
    """What to expect of one file, by its header as it was handed in."""
    if kind.burned_in == "none" or "PixelData" not in dataset:
        return BurnedIn("clear")
    said = str(dataset.get("BurnedInAnnotation") or "").strip().upper()
    reasons = list(_of_a_screen(dataset, kind, procedure))
    if said == "YES":
        reasons.append("The file says that text is burned into its pixels.")
    if reasons:
        return BurnedIn("needs_review", tuple(reasons))
    if kind.burned_in == "low":
        return BurnedIn("clear")
    if said == "NO":
        return BurnedIn("declared", (f"{kind.name}: the file says that no text is burned in.",))
    likely = "often has text in its pixels" if kind.burned_in == "high" else "may have text"
    return BurnedIn(
        "needs_review", (f"{kind.name} {likely}, and the file does not say that it has none.",)
    )


def looked_at(found: BurnedIn, picture: Image.Image | None, kind: ObjectClass) -> BurnedIn:
    """The same, after a look at the picture itself.

    Args:
        found: by the header.
        picture: as it is shown, of several frames the middle one; None where it cannot be decoded.
        kind: of the object; of one that has no picture nothing is asked.
    """
    if kind.burned_in == "none":
        return found
    if picture is None:
        return BurnedIn("needs_review", (*found.reasons, "Its pixels cannot be decoded here."))
    lines = len(text_marks(picture))
    if not lines:
        return found
    places = "1 place" if lines == 1 else f"{lines} places"
    reason = f"Marks that look like a line of text, at {places} of the picture."
    return BurnedIn("needs_review", (*found.reasons, reason))


def _of_a_screen(dataset: Dataset, kind: ObjectClass, procedure: Procedure) -> list[str]:
    words = {str(one).strip().upper() for one in listed(dataset.get("ImageType"))}
    reasons = []
    if words & procedure.screens:
        reasons.append("ImageType says that it is a saved screen.")
    colour = str(dataset.get("PhotometricInterpretation") or "").upper()
    if kind.burned_in == "low" and colour.startswith(_COLOUR):
        reasons.append(f"{kind.name} in colour is a saved screen as a rule.")
    if str(dataset.get("ConversionType") or "").strip().upper() in ("SD", "SI", "DF", "WSD"):
        reasons.append("It was captured from a screen, a film or a document.")
    return reasons
