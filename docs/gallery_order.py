"""The order of the gallery: from first predictions to later questions."""

__all__ = ["as_one_reads"]

ORDER = [
    "plot_first_predictions",
    "plot_evaluation",
    "plot_explain",
    "plot_pooling",
    "plot_search",
    "plot_thresholds",
    "plot_calibration",
    "plot_cooccurrence",
    "plot_folds",
    "plot_check_posters",
    "plot_compare_models",
    "plot_more_posters",
    "plot_rare_labels",
    "plot_label_noise",
    "plot_top_k",
    "plot_carry",
]


def as_one_reads(filename):
    """Key by which Sphinx-Gallery sorts examples; those not listed come last."""
    # Mini galleries give paths, the gallery gives names.
    stem = str(filename).replace("\\", "/").rpartition("/")[2].removesuffix(".py")
    return (ORDER.index(stem) if stem in ORDER else len(ORDER), stem)
