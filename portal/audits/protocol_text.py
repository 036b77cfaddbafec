"""A protocol as the text of a protocol.yaml, read and written."""

from typing import Any

import yaml
from django.core.exceptions import ValidationError

from ml.intake.manifest import MOST_BYTES, parse_yaml
from ml.intake.refusal import Refused
from ml.protocol import Protocol as Rules

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


def write_yaml(rules: Rules) -> str:
    """The whole protocol, defaults spelled out, so that the file says everything it does."""
    body = {key: value for key, value in rules.to_json().items() if key != "is_default"}
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)
