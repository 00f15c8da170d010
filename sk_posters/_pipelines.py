"""Recipes: pipelines of ordinary parts, from paths to labels."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sk_posters._base._suggest import suggest
from sk_posters._features._encoder import PosterEncoder
from sk_posters._features._linear_head import OneVsRestHead
from sk_posters._features._novelty import FeatureNovelty
from sk_posters._images._loader import PosterImageLoader

__all__ = ["make_poster_pipeline"]

# Parameters that mean the same in every part of this package that has them.
SHARED = ("batch_size", "cache_dir", "n_jobs", "on_error", "verbose")


def make_poster_pipeline(recipe="frozen", **params):
    """Make a pipeline that takes paths of posters and learns their labels.

    Parameters
    ----------
    recipe : {"frozen", "best", "finetuned", "cnn"}, default="frozen"
        `"frozen"`: features of a pretrained network (`encoder`, a
        :class:`PosterEncoder`): its averages and, of an EfficientNet-Lite, covariances,
        each scaled to one length; how unlike them new images are (`novelty`, a
        :class:`FeatureNovelty`, which passes them on unchanged), centred (`scaler`),
        and one logistic regression per label (`classifier`). Trains in seconds once the
        features are computed, and loads no TensorFlow.
        `"best"`: the same with a larger network on larger images, and covariances of
        three of its stages. The best recipe of the study in ``docs/benchmarks.md``.
        Takes about three times as long.
        `"finetuned"`: decoded posters (`images`, a :class:`PosterImageLoader`), and a
        pretrained network whose last layer starts from logistic regressions, then
        trained as a whole (`classifier`, a :class:`PosterClassifier`). Takes minutes
        per epoch without a GPU.
        `"cnn"`: decoded posters (`images`, a :class:`PosterImageLoader`), and the
        network of the movie poster tutorial, trained from scratch (`classifier`, a
        :class:`PosterClassifier`).
    **params : dict
        Parameters of the pipeline's parts: by their full names, as `set_params` takes
        them, such as ``encoder__backbone`` or ``classifier__estimator__C``, or by
        their last names alone, such as ``backbone`` or ``C``. ``batch_size``,
        ``cache_dir``, ``n_jobs``, ``on_error`` and ``verbose`` are set in every part of
        this package that has them.

    Returns
    -------
    sklearn.pipeline.Pipeline
        The pipeline, not fitted.

    Raises
    ------
    ValueError
        If there is no such recipe or parameter, or one is given twice.

    See Also
    --------
    PosterEncoder : The features of the recipe `"frozen"`.
    PosterClassifier : The network of the recipe `"cnn"`.

    Notes
    -----
    `fit` takes weights of rows by the names of steps: ``classifier__sample_weight``,
    and for `"frozen"` and `"best"` also ``scaler__sample_weight``, so that means and
    variances are weighted as well.

    Examples
    --------
    >>> from sk_posters import make_poster_pipeline
    >>> pipe = make_poster_pipeline(backbone="efficientnet_lite2", C=3e-4)
    >>> list(pipe.named_steps)
    ['encoder', 'novelty', 'scaler', 'classifier']
    >>> pipe.get_params()["classifier__estimator__C"]
    0.0003
    """
    if recipe not in RECIPES:
        raise ValueError(
            f"recipe must be one of {', '.join(map(repr, RECIPES))}; got "
            f"{recipe!r}{suggest(recipe, RECIPES)}"
        )
    pipe = RECIPES[recipe]()
    known = pipe.get_params()
    full = {}
    for name, value in params.items():
        for full_name in _find_full_names(name, known, recipe):
            if full_name in full:
                raise ValueError(
                    f"{full_name!r} is given twice, by its full and by its last name: "
                    "leave one of them out"
                )
            full[full_name] = value
    return pipe.set_params(**full)


def _make_frozen():
    encoder = PosterEncoder(pooling="auto", normalize=True, precision="auto")
    return Pipeline(
        [
            ("encoder", encoder),
            ("novelty", FeatureNovelty()),
            # Parts of equal length are not to be brought to other lengths.
            ("scaler", StandardScaler(with_std=False)),
            ("classifier", OneVsRestHead(LogisticRegression(C=1.5e-3, max_iter=1000))),
        ]
    )


def _make_best():
    pipe = _make_frozen()
    return pipe.set_params(
        encoder__backbone="efficientnet_lite2",
        encoder__image_size=(576, 408),
        encoder__pooling=("avg", "covariances"),
    )


def _make_finetuned():
    from sk_posters._networks._classifier import PosterClassifier

    return Pipeline(
        [
            ("images", PosterImageLoader(image_size=(288, 208))),
            ("classifier", PosterClassifier(network="efficientnet_lite0", epochs=3)),
        ]
    )


def _make_cnn():
    # Imported here, because TensorFlow comes along.
    from sk_posters._networks._classifier import PosterClassifier

    return Pipeline(
        [("images", PosterImageLoader()), ("classifier", PosterClassifier())]
    )


RECIPES = {
    "frozen": _make_frozen,
    "best": _make_best,
    "finetuned": _make_finetuned,
    "cnn": _make_cnn,
}


def _find_full_names(name, known, recipe):
    """Return the full names of the parameters that a full or a last name means."""
    matches = [full for full in known if full.rpartition("__")[2] == name]
    if name in SHARED:
        return [full for full in matches if _is_of_own_part(full, known)]
    if name in known or "__" in name:
        return [name]
    if matches:
        return matches
    last_names = sorted({full.rpartition("__")[2] for full in known})
    raise ValueError(
        f"no part of the recipe {recipe!r} has a parameter {name!r}"
        f"{suggest(name, last_names)}; get_params() of the pipeline lists all"
    )


def _is_of_own_part(full_name, known):
    part = known.get(full_name.rpartition("__")[0])
    return type(part).__module__.partition(".")[0] == "sk_posters"
