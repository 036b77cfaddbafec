"""What planted networks declare of themselves."""

from ml.estimate import JsonValue


def planted_manifest(name: str, side: int, classes: tuple[str, str]) -> dict[str, JsonValue]:
    """``model.yaml`` of a planted ONNX network of grey pictures and two classes.

    Args:
        side: of its pictures, in pixels.
        classes: the second is the finding.
    """
    return {
        "name": name, "version": "1.0", "format": "onnx", "file": "model.onnx",
        "task": "classification",
        "intended_use": "None: a planted network that shows what an audit finds.",
        "operating_points": [{"name": "default", "threshold": 0.5}],
        "input": {
            "dims": 2, "channels": 1, "size": [side, side], "layout": "NCHW", "colour": "gray",
            "resize": {"mode": "bilinear", "antialias": "pillow"}, "intensity": {"scale": 255},
        },
        "output": {
            "kind": "probabilities", "classes": list(classes), "activation": "softmax",
            "positive": [classes[1]],
        },
    }  # fmt: skip
