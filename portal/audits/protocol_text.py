"""A protocol as the text of a protocol.yaml, read and written."""

from typing import Any

import yaml
from django.core.exceptions import ValidationError

from ml.intake.manifest import MOST_BYTES, parse_yaml
from ml.intake.refusal import Refused
from ml.protocol import Protocol as Rules
from portal.audits.models import Protocol

FILE = "protocol.yaml"


def read_yaml(text: str) -> dict[str, Any]:
    """The mapping in the text; ValidationError says what is wrong with it."""
    data = text.encode()
    if not data.strip():
        raise ValidationError("The protocol is empty: paste protocol.yaml or choose the file.")
    if len(data) > MOST_BYTES:
        raise ValidationError(f"A protocol has at most {MOST_BYTES // 1024} kB.")
    try:
        return parse_yaml(data, FILE)
    except Refused as refused:
        raise ValidationError([refusal.message for refusal in refused.refusals]) from refused


def rules_of(protocol: Protocol) -> Rules:
    """The rules of a stored protocol, also when a check it names is no longer installed."""
    if protocol.body.get("is_default"):
        return Rules.default()
    return Rules.parse({key: value for key, value in protocol.body.items() if key != "is_default"})


def write_yaml(rules: Rules, *, titled: bool = True) -> str:
    """The whole protocol, defaults spelled out, so that the file says everything it does."""
    left_out = {"is_default"} if titled else {"is_default", "title"}
    body = {key: value for key, value in rules.to_json().items() if key not in left_out}
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)
