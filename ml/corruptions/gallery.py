"""What a corruption looks like, for pages."""

import numpy as np

from ml.corruptions.registry import SEVERITIES, FloatArray, corruption


def gallery(image: FloatArray, name: str, *, case: str = "gallery", seed: int = 0) -> FloatArray:
    """The picture as it is, and at every severity.

    Args:
        image: (height, width) or (height, width, channels), 0..1.
        name: of a corruption.
        case, seed: those of the pass show what the model has seen.

    Returns:
        (6, height, width) or (6, height, width, channels), 0..1; severity 0 first.

    Raises:
        LookupError: for a corruption that is not known.
        ValueError: for another shape, or for values outside 0..1.

    Example:
        >>> gallery(np.full((4, 4), 0.25), "gamma").shape
        (6, 4, 4)
    """
    flat = image.ndim == 2
    if image.ndim not in (2, 3):
        raise ValueError(f"expected (height, width) or with channels, got {image.shape}")
    if not bool(((image >= 0) & (image <= 1)).all()):
        raise ValueError("expected intensities from 0 to 1")
    one, picture = corruption(name), image[:, :, None] if flat else image
    shown = np.stack([one(picture, severity, case, seed) for severity in range(SEVERITIES + 1)])
    return shown[:, :, :, 0] if flat else shown
