"""The client of a Plumbline portal: standard library only."""

from plumb.client import Client
from plumb.errors import PlumbError, Refused

__all__ = ["Client", "PlumbError", "Refused"]
__version__ = "0.1.0"
