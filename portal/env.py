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


def s3_options(url: str) -> dict[str, object]:
    """`s3://KEY:SECRET@bucket/prefix?endpoint_url=..&region_name=..` as storage options."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.hostname:
        raise ValueError("STORAGE_URL must look like s3://bucket/prefix?endpoint_url=https://...")
    options: dict[str, object] = {
        "bucket_name": parts.hostname,
        "location": parts.path.strip("/"),
        "default_acl": None,
        "querystring_auth": True,
        "file_overwrite": True,  # names are the SHA-256 of the bytes
    }
    if parts.username and parts.password:
        options |= {"access_key": unquote(parts.username), "secret_key": unquote(parts.password)}
    return options | dict(parse_qsl(parts.query))
