"""Real content for the demonstration: public packages, written as folders that can be handed in."""

from demo.content import Built, build

__all__ = ["Built", "build"]
