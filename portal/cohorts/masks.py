"""What masks a cohort holds: structures, whose masks, and how large their voxels are."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from portal.ui import numbers

SEGMENTATION = "segmentation"
FINDING = "the finding"  # what masks of a cohort of labels show


@dataclass(frozen=True)
class Structure:
    name: str
    n_reference: int  # reference masks that mark it
    n_readers: int  # readers' masks that mark it


@dataclass(frozen=True)
class Masks:
    """Counted over the catalogue of one cohort version."""

    structures: tuple[Structure, ...]
    n_reference: int
    n_readers: int  # masks of readers
    readers: tuple[str, ...]  # their ids; only numbers within a case where they are exchangeable
    n_compared: int  # cases with the masks of two readers or more
    most_readers: int  # of one case
    voxels: str  # how large they are, in words
    unit: str  # of a structure's size

    @property
    def n(self) -> int:
        return self.n_reference + self.n_readers


def masks_of(listed: Mapping[str, Any]) -> Masks | None:
    """None where the cohort is not one of masks."""
    return _counted(listed, listed["classes"]) if listed["task"] == SEGMENTATION else None


def finding_masks_of(listed: Mapping[str, Any]) -> Masks | None:
    """The masks that a cohort of labels has of its finding; None where it has none."""
    return _counted(listed, [FINDING]) if _of_finding(listed) else None


def _of_finding(listed: Mapping[str, Any]) -> bool:
    return listed["task"] != SEGMENTATION and any("mask" in case for case in listed["cases"])


def _counted(listed: Mapping[str, Any], structures: list[str]) -> Masks:
    cases = listed["cases"]
    reference = [case["mask"] for case in cases if case["mask"] is not None]
    read = [mask for case in cases for mask in case["reader_masks"].values()]
    per_case = [len(case["reader_masks"]) for case in cases]
    return Masks(
        structures=tuple(
            Structure(
                name,
                sum(mask["voxels"][at] > 0 for mask in reference),
                sum(mask["voxels"][at] > 0 for mask in read),
            )
            for at, name in enumerate(structures)
        ),
        n_reference=len(reference),
        n_readers=len(read),
        readers=tuple(sorted({name for case in cases for name in case["reader_masks"]})),
        n_compared=sum(n > 1 for n in per_case),
        most_readers=max(per_case, default=0),
        voxels=_voxels([*reference, *read]),
        unit=_unit([*reference, *read]),
    )


def _unit(masks: list[Mapping[str, Any]]) -> str:
    """As the comparison measures them; where files differ in what they say, no unit is named."""
    kinds = {(len(mask["shape"]), mask["spacing_mm"] is not None) for mask in masks}
    units = {(3, True): "ml", (2, True): "mm²", (3, False): "voxels", (2, False): "pixels"}
    return units.get(kinds.pop(), "") if len(kinds) == 1 else ""


def _voxels(masks: list[Mapping[str, Any]]) -> str:
    sizes = Counter(tuple(mask["spacing_mm"] or ()) for mask in masks)
    unknown = sizes.pop((), 0)
    said = list(_said(sizes))
    if unknown and not said:
        return "their size is not in the files: distances are in voxels"
    if unknown:
        said.append(f"{numbers.count(unknown)} masks do not say")
    return "; ".join(said)


def _said(sizes: Counter[tuple[float, ...]]) -> Iterator[str]:
    if not sizes:
        return
    if len(sizes) == 1:
        (only,) = sizes
        yield " × ".join(_mm(side) for side in only) + " mm"
        return
    yield f"{numbers.count(len(sizes))} sizes"
    axes = list(zip(*(size for size in sizes if len(size) == len(next(iter(sizes)))), strict=True))
    ranges = [
        _mm(min(axis)) if _mm(min(axis)) == _mm(max(axis)) else f"{_mm(min(axis))}–{_mm(max(axis))}"
        for axis in axes
    ]
    yield " × ".join(ranges) + " mm"


def _mm(side: float) -> str:
    return numbers.plain(round(side, 2))


@dataclass(frozen=True)
class OfCase:
    """Whose masks one case has, in words."""

    reference: str
    readers: str


def masks_by_case(listed: Mapping[str, Any]) -> dict[str, OfCase]:
    """Case id -> its masks; {} where the cohort has none."""
    of_finding = _of_finding(listed)
    if listed["task"] != SEGMENTATION and not of_finding:
        return {}
    names = [FINDING] if of_finding else listed["classes"]
    return {
        case["case_id"]: OfCase(
            _marks(case["mask"], names) if case["mask"] is not None else "",
            ", ".join(sorted(case["reader_masks"])),
        )
        for case in listed["cases"]
    }


def _marks(mask: Mapping[str, Any], names: list[str]) -> str:
    """
    >>> _marks({"voxels": [1200, 0]}, ["liver", "tumour"]), _marks({"voxels": [0]}, ["liver"])
    ('liver 1,200 voxels', 'marks nothing')
    """
    marked = [
        f"{name} {numbers.count(n)} {'pixels' if len(mask.get('shape', ())) == 2 else 'voxels'}"
        for name, n in zip(names, mask["voxels"], strict=True)
        if n
    ]
    return ", ".join(marked) or "marks nothing"
