"""The code of the 2020 tutorial, as it is written there. It knows no sk_posters."""

import numpy as np

# Filters and dropout of each block, then units and dropout of each dense layer.
BLOCKS = [(16, 0.3), (32, 0.3), (64, 0.4), (128, 0.5)]
DENSE = [(128, 0.5), (128, 0.5)]


def load_images(paths, side):
    """Load all posters, one after the other, into one float array."""
    from keras.utils import img_to_array, load_img

    X = []
    for path in paths:
        image = load_img(path, target_size=(side, side))
        image = img_to_array(image)
        X.append(image / 255.0)
    return np.array(X)


def network(image_shape, n_labels):
    """Build and compile the network."""
    from keras import Input, Sequential
    from keras.layers import (
        BatchNormalization,
        Conv2D,
        Dense,
        Dropout,
        Flatten,
        MaxPooling2D,
    )

    model = Sequential([Input(image_shape)])
    for filters, rate in BLOCKS:
        model.add(Conv2D(filters, (3, 3), activation="relu"))
        model.add(BatchNormalization())
        model.add(MaxPooling2D(2, 2))
        model.add(Dropout(rate))
    model.add(Flatten())
    for units, rate in DENSE:
        model.add(Dense(units, activation="relu"))
        model.add(BatchNormalization())
        model.add(Dropout(rate))
    model.add(Dense(n_labels, activation="sigmoid"))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return model
