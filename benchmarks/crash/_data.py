"""What the loops learn: a small table of noisy images of ten classes."""

import numpy as np

ROWS, FEATURES, CLASSES = 256, 16, 10


def images() -> tuple[np.ndarray, np.ndarray]:
    """Rows and labels; the same at every start."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, ROWS)
    centres = rng.normal(size=(CLASSES, FEATURES))
    noise = rng.normal(size=(ROWS, FEATURES))
    return (centres[labels] + noise).astype(np.float32), labels
