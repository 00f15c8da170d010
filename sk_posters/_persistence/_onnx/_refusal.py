"""What cannot be exported, in one form of words."""

__all__ = ["refusal"]

ALLOWED = (
    "export_onnx takes the recipes of make_poster_pipeline, fitted to a label "
    "indicator matrix: PosterEncoder with EfficientNet-Lites, or FeatureUnion of "
    "several, then StandardScaler and OneVsRestClassifier(LogisticRegression()); or "
    "PosterImageLoader and PosterClassifier; or MultilabelTunedThresholdClassifierCV "
    "of them, without calibration. Save others with save_model"
)


def refusal(what):
    """Return the error for something that cannot be exported.

    Parameters
    ----------
    what : str
        What came.

    Returns
    -------
    ValueError
        The error.
    """
    return ValueError(f"{ALLOWED}; got {what}")
