"""The process that speaks to an endpoint: numbers in, numbers out, and no files but certificates.

It is started by ``ml.endpoint.link`` and confined like any child, but may open connections; it
never sees a picture's file, a database or another team's token.
"""

import base64
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from ml.endpoint.client import Client, Target
from ml.endpoint.problem import EndpointError
from ml.sandbox.confine import confine


def main() -> int:
    """Confine, say so, and answer one question after the other."""
    events = os.fdopen(int(sys.argv[1]), "wb")

    def say(**message: object) -> None:
        events.write(json.dumps(message, allow_nan=False).encode() + b"\n")
        events.flush()

    try:
        walls = confine(json.loads(sys.stdin.buffer.readline()))
    except OSError as error:
        say(event="unconfined", message=str(error)[:200])
        return 1
    say(event="ready", walls=walls)
    client: Client | None = None
    while line := sys.stdin.buffer.readline():
        question = json.loads(line)
        try:
            if question["what"] == "open":
                client = Client(Target.from_json(question["target"]), question["token"])
                answer: Mapping[str, Any] = {"described": client.describe()}
            else:
                assert client is not None
                answer = _inferred(client, question)
        except EndpointError as error:
            answer = {"code": error.code, "message": error.message}
        except Exception as error:  # its text could hold what a server wrote
            answer = {
                "code": "endpoint_protocol",
                "message": f"{type(error).__name__} in the client.",
            }
        say(event="answer", **answer)
    return 0


def _inferred(client: Client, question: Mapping[str, Any]) -> dict[str, Any]:
    before = client.requests
    found = client.infer(base64.b64decode(question["cases"]), question["n"])
    return {
        "values": base64.b64encode(found.values).decode(),
        "version": found.version,
        "requests": client.requests - before,
    }


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
