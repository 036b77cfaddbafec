"""Small readers of environment variables, so that settings.py says each default once."""

import os
from urllib.parse import parse_qsl, unquote, urlsplit

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def flag(name: str, default: bool) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in TRUE:
        return True
    if value.lower() in FALSE:
        return False
    raise ValueError(f"{name} must be true or false, got {value!r}")


def number(name: str, default: float) -> float:
    value = os.environ.get(name)
    return default if not value else float(value)


def whole(name: str, default: int) -> int:
    value = os.environ.get(name)
    return default if not value else int(value)


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


S3_FORM = (
    "STORAGE_URL must look like s3://KEY:SECRET@bucket/prefix?endpoint_url=https://... "
    "with the key percent-encoded"
)


def s3_options(url: str) -> dict[str, object]:
    """`s3://KEY:SECRET@bucket/prefix?endpoint_url=..&region_name=..` as storage options."""
    parts = urlsplit(url)
    # An "@" behind the bucket: a secret whose slashes were not encoded, cut in two.
    if parts.scheme != "s3" or not parts.hostname or "@" in parts.path or "@" in parts.query:
        raise ValueError(S3_FORM)
    if bool(parts.username) != bool(parts.password):
        raise ValueError(S3_FORM)
    options: dict[str, object] = {
        "bucket_name": parts.hostname,
        "location": parts.path.strip("/"),
        "default_acl": None,
        "querystring_auth": True,
        "file_overwrite": True,  # names are the SHA-256 of the bytes
    }
    if parts.username and parts.password:
        options |= {"access_key": unquote(parts.username), "secret_key": unquote(parts.password)}
    return options | {name: _plain(value) for name, value in parse_qsl(parts.query)}


def _plain(text: str) -> str | bool | int:
    """Options are typed: the word "false" would count as true."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if text.isdecimal() else text
