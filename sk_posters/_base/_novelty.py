"""How unlike the training images an image is, on its way through a model."""

import math

__all__ = ["describe_novelty", "gives_novelty", "pass_steps"]

# Of images like those of the training, 5 % are above it.
NOTABLE = 0.95


def gives_novelty(step):
    """Tell whether a step is a FeatureNovelty."""
    # LocalOutlierFactor has a parameter of this name.
    return callable(getattr(step, "novelty", None))


def pass_steps(steps, X):
    """Return what transformers make of X, and its novelty, None without that step."""
    novelty = None
    for step in steps:
        if gives_novelty(step):
            novelty = step.novelty(X)
        X = step.transform(X)
    return X, novelty


def describe_novelty(novelty):
    """Return in words that an image is unlike others; None if it is not, or unknown."""
    if novelty is None or novelty <= NOTABLE:
        return None
    # A little more than the product, which may lack the last digit.
    percent = math.floor(100 * novelty + 1e-9)
    return f"unlike {percent} % of the training posters"
