"""How a program becomes few calls of oneDNN and torch; see ``ml.engine.fused``."""
