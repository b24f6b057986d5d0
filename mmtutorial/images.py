"""Photo encoders: a photo in, one vector out (lesson 03; used from lesson 00 on).

An encoder takes photos ``(batch, 80, 60, 3)`` as uint8 values 0-255 and returns
``(batch, dim)`` float features, not yet of unit length: ``DualEncoder`` does that.
"""

import keras
from keras import layers

PHOTO_SHAPE = (80, 60, 3)  # height, width, RGB


def cnn_encoder(dim=128, widths=(64, 128, 256)):
    """Convolution and pooling, then one dense layer: the article's photo branch, made to train.

    The first convolution reads the photo in patches of 4 × 4 pixels; then each stage looks at
    3 × 3 neighbours and halves the picture. The average over what is left goes through a dense
    layer. Batch normalisation follows the pooling, where there is a quarter of the numbers to
    normalise, and keeps its moving statistics with momentum 0.9: with Keras' default of 0.99
    they still lag after a few hundred steps, and a model that looks fine in training retrieves
    nothing when used.

    Returns a ``keras.Model``: ``(batch, 80, 60, 3)`` values 0-255 → ``(batch, dim)`` float.
    Defined in lesson 03.
    """
    photo = keras.Input(PHOTO_SHAPE, name="photo")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(photo)  # values in [-1, 1]
    for stage, width in enumerate(widths, start=1):
        size, strides = (4, 4) if stage == 1 else (3, 1)
        x = layers.Conv2D(width, size, strides, padding="same", name=f"conv_{stage}")(x)
        x = layers.ReLU(name=f"relu_{stage}")(x)
        if stage < len(widths):
            x = layers.MaxPooling2D(name=f"pool_{stage}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm_{stage}")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)  # (batch, widths[-1])
    return keras.Model(photo, layers.Dense(dim, name="project")(x), name="cnn_encoder")
