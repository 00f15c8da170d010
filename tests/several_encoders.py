"""A pipeline whose features several encoders give, as the recipe "best" once did."""

from sklearn.pipeline import FeatureUnion

from sk_posters import PosterEncoder, make_poster_pipeline

SIZES = ((64, 48), (48, 32), (80, 56))


def make_several(sizes=SIZES, **params):
    """Return the pipeline, not fitted, with an encoder for each size of images."""
    encoders = [
        (
            f"efficientnet_lite{number}",
            PosterEncoder(
                f"efficientnet_lite{number}",
                image_size=size,
                pooling=("avg", "max", "covariance") if number == 2 else "avgmax",
                flip=True,
                n_jobs=1,
                precision="auto",
            ),
        )
        for number, size in enumerate(sizes)
    ]
    pipe = make_poster_pipeline(scaler__with_std=True, C=1.0, classifier__n_jobs=1)
    pipe.steps[0] = ("encoders", FeatureUnion(encoders))
    return pipe.set_params(**params)
