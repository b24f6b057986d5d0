"""Photo encoders: a photo in, one vector out (lesson 03; used from lesson 00 on).

An encoder takes photos ``(batch, 80, 60, 3)`` as uint8 values 0-255 and returns
``(batch, dim)`` float features, not yet of unit length: ``DualEncoder`` does that. Pick one by
name from ``IMAGE_ENCODERS``. ``by_hand`` has convolution, pooling and PCA written out.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
from keras import layers

from mmtutorial import TutorialError
from mmtutorial.catalogue.reading import HEIGHT, WIDTH

PHOTO_SHAPE = (HEIGHT, WIDTH, 3)  # RGB


def article_encoder(dim: int = 128) -> keras.Model:
    """The photo branch that the course's article prints (its section 5.2), with a layer to ``dim``.

    On 32 × 32 pixels: Conv2D 64, pooling, Conv2D 128, pooling, Conv2D 256, flatten, Dense 512.
    The photo is squeezed into that square. Every place of the last feature map, 4 × 4, has its
    own weights into the dense layer, so the encoder must learn a sleeve anew for each place, and
    most of its parameters are in that one matrix. ``cnn_encoder`` averages over the places
    instead.

    Returns a ``keras.Model``: ``(batch, 80, 60, 3)`` values 0-255 → ``(batch, dim)`` float.
    Defined in lesson 03.

    >>> article_encoder(dim=64).output_shape
    (None, 64)
    """
    photo, x = _rescaled()
    x = layers.Resizing(32, 32, name="resize")(x)
    x = layers.Conv2D(64, 3, activation="relu", name="conv_1")(x)
    x = layers.MaxPooling2D(name="pool_1")(x)
    x = layers.Conv2D(128, 3, activation="relu", name="conv_2")(x)
    x = layers.MaxPooling2D(name="pool_2")(x)
    x = layers.Conv2D(256, 3, activation="relu", name="conv_3")(x)
    x = layers.Flatten(name="flatten")(x)  # (batch, 4 · 4 · 256)
    x = layers.Dense(512, activation="relu", name="dense")(x)
    return keras.Model(photo, layers.Dense(dim, name="project")(x), name="article_encoder")


def cnn_encoder(dim: int = 128, widths: Sequence[int] = (64, 128, 256)) -> keras.Model:
    """Convolution and pooling, then one dense layer: a photo branch that trains well.

    The first convolution reads the photo in patches of 4 × 4 pixels; then each stage looks at
    3 × 3 neighbours and halves the picture. The average over what is left goes through a dense
    layer. Batch normalisation follows the pooling, where there is a quarter of the numbers to
    normalise, and keeps its moving statistics with momentum 0.9: with Keras' default of 0.99
    they still lag after a few hundred steps, and a model that looks fine in training retrieves
    nothing when used.

    Returns a ``keras.Model``: ``(batch, 80, 60, 3)`` values 0-255 → ``(batch, dim)`` float.
    Defined in lesson 03.

    >>> model = cnn_encoder(dim=64)
    >>> model.input_shape, model.output_shape
    ((None, 80, 60, 3), (None, 64))
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


def residual_encoder(dim: int = 128, widths: Sequence[int] = (64, 128, 256)) -> keras.Model:
    """The CNN with two residual blocks in place of its later convolutions.

    A block adds what its convolutions compute to what came in, so that a block which has nothing
    to add can stay silent, and the gradient has a straight way down (He et al. 2016,
    arXiv:1512.03385, figure 2).

    Returns a ``keras.Model``: ``(batch, 80, 60, 3)`` values 0-255 → ``(batch, dim)`` float.
    Defined in lesson 03.

    >>> residual_encoder(dim=64, widths=(16, 32)).output_shape
    (None, 64)
    """
    photo, x = _rescaled()
    x = layers.Conv2D(widths[0], 4, 4, padding="same", name="conv_1")(x)
    x = layers.ReLU(name="relu_1")(x)
    for block, width in enumerate(widths[1:], start=1):
        x = layers.MaxPooling2D(name=f"pool_{block}")(x)
        x = residual_block(x, width, f"block_{block}")
    x = layers.GlobalAveragePooling2D(name="average")(x)  # (batch, widths[-1])
    return keras.Model(photo, layers.Dense(dim, name="project")(x), name="residual_encoder")


def _rescaled():
    photo = keras.Input(PHOTO_SHAPE, name="photo")
    return photo, layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(photo)


def residual_block(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    """relu(x + F(x)), where F is convolution, normalisation, relu, convolution, normalisation.

    ``(batch, height, width, channels)`` symbolic → the same with ``width`` channels; ``name``
    begins the names of its layers. He et al. 2016, arXiv:1512.03385, figure 2; where the number of
    channels changes, a 1 × 1 convolution brings x to it first. Used in lesson 03.
    """

    def convolved(x, size, step):
        x = layers.Conv2D(width, size, padding="same", use_bias=False, name=f"{name}_conv_{step}")(
            x
        )
        return layers.BatchNormalization(momentum=0.9, name=f"{name}_norm_{step}")(x)

    short = x if x.shape[-1] == width else convolved(x, 1, "short")  # only the width is changed
    x = layers.ReLU(name=f"{name}_relu_1")(convolved(x, 3, 1))
    x = layers.Add(name=f"{name}_add")([short, convolved(x, 3, 2)])
    return layers.ReLU(name=f"{name}_relu_2")(x)


SMALL_RESNET = {  # what keras_hub.models.ResNetBackbone takes; its first stage must have 64 filters
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [3],
    "stackwise_num_filters": [64, 128, 256],
    "stackwise_num_blocks": [1, 1, 1],
    "stackwise_num_strides": [1, 2, 2],
    "block_type": "basic_block",
}


def resnet_encoder(dim: int = 128, preset: str | None = None) -> keras.Model:
    """A ResNet of keras-hub: a small one from scratch, or a pretrained one.

    ``preset`` is a name that keras-hub knows, such as ``"resnet_18_imagenet"`` (downloaded when
    first used), an address (``"hf://..."``, ``"kaggle://..."``), or the folder that
    ``save_to_preset`` wrote. Photos are scaled as the preset says, to [-1, 1] where it says
    nothing, and resized where it takes one size only. The whole network is trained on, the
    pretrained part too. The one from scratch sees the photo at half its size.

    Returns a ``keras.Model``: ``(batch, 80, 60, 3)`` values 0-255 → ``(batch, dim)`` float.
    Raises ``TutorialError`` when the preset cannot be read or downloaded, or is no image model.
    Defined in lesson 03.
    """
    from keras_hub.models import ResNetBackbone  # takes seconds: only who asks for it pays

    if preset is None:
        photo, x = _rescaled()
        x = layers.AveragePooling2D(2, name="halve")(x)  # four times faster, for two CPU cores
        backbone = ResNetBackbone(**SMALL_RESNET, name="resnet")
    else:
        backbone, scale, offset = _from_preset(str(preset))
        photo = keras.Input(PHOTO_SHAPE, name="photo")
        x = layers.Rescaling(scale, offset, name="rescale")(photo)
        height, width = backbone.input_shape[1:3]
        if height and width:  # it was made for photos of one size
            x = layers.Resizing(height, width, name="resize")(x)
    x = backbone(x)  # (batch, 3, 2, 256) for the small one
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(photo, layers.Dense(dim, name="project")(x), name="resnet_encoder")


def _from_preset(preset):
    """The backbone of a preset, and the scale and offset that it wants its pixels in."""
    from keras_hub.layers import ImageConverter
    from keras_hub.models import Backbone

    try:
        backbone = Backbone.from_preset(preset)
    except Exception as fault:  # each hub has its own: no such name, no network, no such file
        reason = str(fault).strip().partition("\n")[0]
        remedy = (
            "that folder holds no preset: save_to_preset writes one"
            if Path(preset).is_dir()
            else "check the name; if this machine is offline, load it once on one that is not, "
            "write it with save_to_preset(folder), and give the folder"
        )
        raise TutorialError(
            f"the preset {preset!r} could not be loaded ({type(fault).__name__}: {reason}); "
            f"{remedy}"
        ) from fault
    if len(backbone.output_shape) != 4 or len(backbone.inputs) != 1:
        raise TutorialError(
            f"the preset {preset!r} is a {type(backbone).__name__}, which reads no photos; choose "
            "an image model such as 'resnet_18_imagenet'"
        )
    try:
        converter = ImageConverter.from_preset(preset)
    except (ValueError, FileNotFoundError):  # a backbone that was saved alone
        return backbone, 1 / 127.5, -1.0
    scale = 1.0 if converter.scale is None else converter.scale
    return backbone, scale, 0.0 if converter.offset is None else converter.offset


IMAGE_ENCODERS = {  # name → a function of dim
    "article": article_encoder,
    "cnn": cnn_encoder,
    "residual": residual_encoder,
    "resnet": resnet_encoder,
}


def make_image_encoder(name: str, dim: int = 128) -> keras.Model:
    """The photo encoder called ``name``: ``(batch, 80, 60, 3)`` → ``(batch, dim)``.

    ``"resnet:PRESET"`` is the pretrained one that ``resnet_encoder(preset=PRESET)`` loads.
    Raises ``TutorialError`` for an unknown name; the message lists those there are.

    >>> make_image_encoder("cnn", dim=32).output_shape
    (None, 32)
    """
    if name.startswith("resnet:"):
        return resnet_encoder(dim, preset=name.removeprefix("resnet:"))
    if name not in IMAGE_ENCODERS:
        raise TutorialError(
            f"no image encoder {name!r}; choose one of {sorted(IMAGE_ENCODERS)}, or 'resnet:' and "
            "a preset's name or folder"
        )
    return IMAGE_ENCODERS[name](dim)
