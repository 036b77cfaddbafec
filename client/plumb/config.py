"""Where the address and the token of a portal are kept between commands."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from plumb.errors import PlumbError


@dataclass(frozen=True)
class Config:
    url: str
    token: str


def config_path() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "plumb" / "config.json"


def load() -> Config:
    """From PLUMB_URL and PLUMB_TOKEN, else from the file that `plumb login` wrote."""
    url, token = os.environ.get("PLUMB_URL", ""), os.environ.get("PLUMB_TOKEN", "")
    if url and token:
        return Config(url, token)
    try:
        kept = json.loads(config_path().read_text())
        return Config(url or kept["url"], token or kept["token"])
    except FileNotFoundError:
        raise PlumbError("Sign in first: plumb login --url https://…") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PlumbError(f"{config_path()} cannot be read: sign in again.") from error


def save(config: Config) -> Path:
    """Readable by its owner alone, from the first byte on."""
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, partial = tempfile.mkstemp(dir=path.parent)  # made with 0600
    with os.fdopen(handle, "w") as file:
        json.dump({"url": config.url, "token": config.token}, file)
    Path(partial).replace(path)
    return path
