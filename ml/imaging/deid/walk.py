"""Every element of a data set goes through the table; what comes out is built anew."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from ml.imaging.deid.codes import coded, is_code
from ml.imaging.deid.keyed import Identity
from ml.imaging.deid.procedure import Procedure, Row
from ml.imaging.deid.values import Values, age, listed, shifted

_CODE = {"CodeValue", "CodingSchemeDesignator", "CodeMeaning", "LongCodeValue", "URNCodeValue"}
_PATIENT = {"PatientSex", "PatientSize", "PatientWeight", "PatientAge"}
_WELL_KNOWN = "1.2.840.10008."


def readable(dataset: Dataset) -> Iterator[tuple[BaseTag, DataElement | None]]:
    """Tag and element, in order; None in place of an element that cannot be read."""
    for tag in sorted(dataset.keys()):
        try:
            yield tag, dataset[tag]
        except (RecursionError, MemoryError):
            raise
        except Exception:  # whatever a reader of a value stumbles on
            yield tag, None


def names_in(dataset: Dataset, procedure: Procedure) -> Iterator[str]:
    """The texts of all attributes that name a person, a place or a number of somebody."""
    for _, element in readable(dataset):
        if element is None:
            continue
        if element.VR == "SQ":
            for item in element.value or ():
                yield from names_in(item, procedure)
        elif element.VR == "PN" or element.keyword in procedure.identifying:
            yield from (str(one) for one in listed(element.value))


class Walk:
    """One pass over one file, and what it did."""

    def __init__(
        self,
        procedure: Procedure,
        rules: Mapping[str, str],
        identity: Identity,
        patient: str,
        values: Values,
    ) -> None:
        self.procedure, self.rules, self.values = procedure, rules, values
        self.identity = identity
        self.pseudonym, self.days = identity.pseudonym(patient), identity.days(patient)
        self.rows: Counter[Row] = Counter()
        self.shifted = self.of_patient = self.private = False

    def dataset(self, source: Dataset) -> Dataset:
        """What stays of a data set or of an item of a sequence."""
        made = Dataset()
        has_code = is_code(source)
        if has_code:
            triplet, known = coded(source, self.procedure)
            for keyword, text in triplet.items():
                setattr(made, keyword, text)
                self._count(made[keyword].tag, keyword, "C" if known else "D")
        for tag, element in readable(source):
            if tag.element == 0 or (tag.is_private and 0x10 <= tag.element <= 0xFF):
                continue  # lengths of groups, and who reserved private elements
            if tag.is_private:
                self._private(source, tag, element, made)
                continue
            keyword = keyword_for_tag(tag)
            if has_code and keyword in _CODE:
                continue
            action = "X" if element is None else self._public(element, keyword, made)
            self._count(tag, keyword, action)
        return made

    def _count(self, tag: BaseTag, keyword: str, action: str) -> None:
        said = f"({tag.group:04X},{tag.element:04X})"
        if tag.is_private:  # which block it was put into says nothing
            said = f"({tag.group:04X},xx{tag.element & 0xFF:02X})"
        self.rows[said, keyword, action] += 1

    def _public(self, element: DataElement, keyword: str, made: Dataset) -> str:
        """Put what stays of an element into ``made``; the action that was taken."""
        rule = self.rules.get(keyword, "X")
        if rule == "X":
            return "X"
        if (rule == "S") != (element.VR == "SQ"):
            return "X"  # of another type than the table means
        if rule == "S":
            items = [self.dataset(item) for item in element.value or ()]
            made.add_new(element.tag, "SQ", Sequence(items))
            return "S"
        value = self._value(element, keyword, rule)
        if value is None:
            return self._in_its_place(element, keyword, made)
        self._put(made, element, value)
        self.of_patient |= keyword in _PATIENT and value not in ([], [""])
        return "Z" if rule == "K" and value == [] else rule[0]

    def _value(self, element: DataElement, keyword: str, rule: str) -> list[Any] | bytes | None:
        """What the rule makes of the value; None where nothing of it may stay."""
        texts = [str(one) for one in listed(element.value)]
        if rule == "K":
            return self.values.kept(element, keyword)
        if rule == "Z":
            return []
        if rule == "D":
            return [self.procedure.dummies[keyword]]
        if rule == "P":
            return [self.pseudonym]
        if rule == "U":
            return [self._uid(text) for text in texts]
        if rule == "A":
            return self._each(age(text) for text in texts)
        if rule == "T":
            found = self._each(shifted(text, self.days) for text in texts)
            self.shifted |= bool(found)
            return found
        return self.values.cleaned(element, keyword, rule.removeprefix("C:"))

    def _in_its_place(self, element: DataElement, keyword: str, made: Dataset) -> str:
        """What stands where nothing of a value may stay: a fixed value, nothing, or no element."""
        dummy = self.procedure.dummies.get(keyword)
        if dummy is not None:
            self._put(made, element, self._with_dummies(element, keyword, dummy))
            return "D"
        if keyword in self.procedure.emptied:
            self._put(made, element, [])
            return "Z"
        return "X"

    def _with_dummies(self, element: DataElement, keyword: str, dummy: str) -> list[Any]:
        """Only the values that may not stay are replaced."""
        single = [DataElement(element.tag, element.VR, one) for one in listed(element.value)]
        of_rule = self.rules[keyword] == "K"
        return [
            str(one.value) if of_rule and self.values.kept(one, keyword) is not None else dummy
            for one in single
        ]

    def _uid(self, uid: str) -> str:
        """Those of the standard name kinds of things; every other one is replaced."""
        well_known = uid.startswith(_WELL_KNOWN) and self.values.kept(
            DataElement(0x0020000D, "UI", uid), ""
        )
        return uid if well_known or not uid else self.identity.uid(uid)

    @staticmethod
    def _each(found: Iterator[str | None]) -> list[Any] | None:
        every = list(found)
        return None if None in every else every

    @staticmethod
    def _put(made: Dataset, element: DataElement, value: list[Any] | bytes) -> None:
        plain: Any = value
        if isinstance(value, list) and len(value) < 2:
            plain = value[0] if value else None
        made.add(DataElement(element.tag, element.VR, plain))

    def _private(
        self, source: Dataset, tag: BaseTag, element: DataElement | None, made: Dataset
    ) -> None:
        """A private element stays where the short list has it, by creator, place and type."""
        creator = str(source.get((tag.group, tag.element >> 8), DataElement(tag, "LO", "")).value)
        last = tag.element & 0xFF
        for rule in self.procedure.private:
            if element is None or (creator.strip(), tag.group) != (rule.creator, rule.group):
                continue
            if rule.elements.get(last) != element.VR:
                continue
            value = self.values.kept(element, "")
            if isinstance(value, list):
                block = made.private_block(tag.group, rule.creator, create=True)
                block.add_new(last, element.VR, value if len(value) != 1 else value[0])
                self.private = True
                self._count(tag, "", "K")
                return
        self._count(tag, "", "X")
