"""What can go wrong between here and a model's address, by code."""

# Stable, listed in docs/intake-codes.md.
CODES = {
    "endpoint_refused": "the address may not be called",
    "endpoint_unreachable": "no connection, or it broke off",
    "endpoint_timeout": "no whole answer in time",
    "endpoint_busy": "it answered that it has no room",
    "endpoint_denied": "it wants other credentials",
    "endpoint_failed": "it answered these cases with an error",
    "endpoint_protocol": "its answer is not what the protocol says",
    "endpoint_changed": "it is not the model that was accepted",
}
AGAIN = ("endpoint_unreachable", "endpoint_timeout", "endpoint_busy")  # worth another request


class EndpointError(Exception):
    """An endpoint cannot be used; ``code`` is stable, the message a sentence.

    No message repeats what a server wrote: it could be the credentials it was sent.
    """

    def __init__(self, code: str, message: str, *, wait: float = 0.0) -> None:
        super().__init__(message)
        self.code = code if code in CODES else "endpoint_protocol"
        self.message = message
        self.wait = wait  # seconds that the server asked to be left alone for
