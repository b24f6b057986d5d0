"""One space for photos and words: contrastive training of a dual encoder (lesson 06).

A photo encoder and a text encoder are trained together so that a product's photo and its
title end up near each other, and far from everybody else's. What comes out are rows of unit
length, ``(n, dim) float32``: photos and titles can be compared by their dot product.
"""

import keras
import numpy as np
from keras import layers, ops

MAX_SCALE = 100.0  # 1 / temperature never grows past this (Radford et al. 2021, section 2.5)


def contrastive_loss(photo, text, groups, scale):
    """Softmax cross-entropy over the batch, both ways, with every same-title pair a positive.

    Row i of the logits asks which texts belong to photo i. All texts of the same group (the
    same normalised title) are right answers and share the target mass equally: counted as
    negatives they would push equal titles apart. With all groups distinct this is the
    symmetric InfoNCE of CLIP (Radford et al. 2021, arXiv:2103.00020, figure 3); with several
    positives it is the cross-entropy form of Khosla et al. 2020 (arXiv:2004.11362, eq. 2).
    Defined in lesson 06.

    Parameters
    ----------
    photo, text : ``(batch, dim)`` float, rows of unit length
    groups : ``(batch,)`` int, equal where two products share their title
    scale : float, 1 / temperature

    Returns
    -------
    The loss, a scalar in nats; ``log(batch)`` is what knowing nothing costs.

    >>> same = np.ones((4, 1), "float32")  # all vectors alike: log(4) nats
    >>> round(float(contrastive_loss(same, same, np.arange(4), scale=20.0)), 3)
    1.386
    """
    photo, text = ops.cast(photo, "float32"), ops.cast(text, "float32")
    logits = scale * ops.matmul(photo, ops.transpose(text))  # (batch, batch)
    groups = ops.reshape(groups, (-1,))
    same = ops.cast(groups[:, None] == groups[None, :], "float32")
    target = same / ops.sum(same, axis=1, keepdims=True)  # (batch, batch), rows sum to 1
    to_text = -ops.sum(target * ops.log_softmax(logits, axis=1), axis=1)
    to_photo = -ops.sum(target * ops.log_softmax(ops.transpose(logits), axis=1), axis=1)
    return ops.mean(to_text + to_photo) / 2


class LearntScale:
    """What a model's cosines are multiplied with: 1 / temperature, learnt, at most ``MAX_SCALE``.

    A mixin for a ``keras.Model``. What is stored is the logarithm: a step changes it by a share.
    """

    def add_scale(self, start):
        """Make the weight; ``start`` is the scale to begin with."""
        constant = keras.initializers.Constant(np.log(start))
        self.log_scale = self.add_weight(shape=(), initializer=constant, name="log_scale")

    @property
    def scale(self):
        """1 / temperature, a scalar float32, at most ``MAX_SCALE``."""
        return ops.minimum(ops.exp(ops.cast(self.log_scale, "float32")), MAX_SCALE)


@keras.saving.register_keras_serializable("mmtutorial")
class DualEncoder(LearntScale, keras.Model):
    """A photo encoder and a text encoder that meet in one space. Defined in lesson 06.

    Call with ``{"photo": (batch, 80, 60, 3), "tokens": (batch, length) int32}``; returns
    ``{"photo": (batch, dim), "text": (batch, dim)}``, rows of unit length. The temperature is
    learnt, ``temperature`` is its start. Train with ``y`` = title groups.
    """

    def __init__(self, image_encoder, text_encoder, temperature=0.07, **kwargs):
        super().__init__(**kwargs)
        self.image_encoder = image_encoder
        self.text_encoder = text_encoder
        self.temperature = temperature
        self.to_unit = layers.UnitNormalization(axis=-1, dtype="float32")
        self.add_scale(1 / temperature)

    def call(self, inputs, training=False):
        return {
            "photo": self.to_unit(self.image_encoder(inputs["photo"], training=training)),
            "text": self.to_unit(self.text_encoder(inputs["tokens"], training=training)),
        }

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return contrastive_loss(y_pred["photo"], y_pred["text"], y, self.scale)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "image_encoder": serialize(self.image_encoder),
            "text_encoder": serialize(self.text_encoder),
            "temperature": self.temperature,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        for part in ("image_encoder", "text_encoder"):
            config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)
