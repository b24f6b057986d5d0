"""A small dual encoder for the KAGL benchmark, with attribute heads.

Lesson 06's dual encoder with more of everything, as far as two CPU cores go: a residual photo
encoder that sees fine detail, a text encoder that reads words, their n-grams and their order;
next to the contrastive loss each half also names the brand, the article type, the colour and the
gender, and learns which photos a bare attribute value ("Navy Blue") asks for. The weights are
averaged over time. ``train_attributes`` trains one, ``retriever.load`` reads one.
"""

import keras
import numpy as np
from keras import layers, ops

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole
from mmtutorial.encoders.images import PHOTO_SHAPE, residual_block
from mmtutorial.encoders.tokenisers import Vocabulary, WordsAndNgrams
from mmtutorial.files import is_a
from mmtutorial.matching.attribute_labels import HEADS
from mmtutorial.matching.contrastive import DualEncoder, contrastive_loss
from mmtutorial.matching.training import RANGES

PHRASE_WEIGHT = 0.3  # of the loss that asks for photos and titles by one attribute value
TEXT_HEADS = 0.3  # weight of the text's heads: a title names its values, so they are learnt fast

SETTINGS = {
    "epochs": 28,
    "decay": 0.25,  # the last quarter of the epochs: the learning rate falls, all is trained on
    "batch_size": 512,
    "learning_rate": 1.5e-3,
    "weight_decay": 0.05,
    "dim": 256,
    "widths": (32, 64, 128, 256),
    "ema": 0.995,
    "seed": 0,
    "without": (),  # which of PARTS to leave out, to see what each is worth (lesson 24)
}

PARTS = {  # what can be left out → what is then done instead
    "attribute heads": "neither half learns to name attributes",
    "n-grams": "the bag holds words only",
    "title twins": "products of the same title are wrong answers to each other",
    "word order": "no LSTM, the mean of the bag alone",
    "attribute phrases": "no bare attribute value is learnt from",
    "augmentation": "every photo as it is, each time",
    "weight averages": "the weights of the last step",
}


# The two encoders -------------------------------------------------------------------------------


class TitleTokens(WordsAndNgrams):
    """A title's words in their order, then the bag of its words and n-grams, in one row.

    ``(n, 16 + 128)`` int32: the first ``WORDS`` columns are for a recurrent layer, the others for
    a mean. Both use the same numbers, those of ``WordsAndNgrams`` (lesson 04).
    """

    WORDS = 16

    def __init__(self, word_list, length=128, buckets=2**14, ngrams=True):
        super().__init__(word_list, length, buckets)
        self.ngrams = ngrams
        self._in_order = Vocabulary(self.words, self.WORDS)

    def encode(self, texts):
        """Texts → ``(n, 144)`` int32, both parts padded on the right with 0."""
        texts = list(texts)
        return np.concatenate([self._in_order.encode(texts), super().encode(texts)], axis=1)

    def _numbers(self, text):
        return super()._numbers(text) if self.ngrams else self._in_order._numbers(text)

    def get_config(self):
        """What the constructor needs to make the same again, as JSON can hold it."""
        return {**super().get_config(), "ngrams": self.ngrams}


def photo_encoder(dim, widths, classes):
    """A residual CNN with a fine stem: photo → vector and one row of logits a head.

    The stem halves the photo twice, once by stride and once by pooling, before there are many
    channels; then come residual blocks, each after a pooling (He et al. 2016, arXiv:1512.03385).
    Mean and maximum over the places are both kept: a logo is in one place only.

    ``(batch, 80, 60, 3)`` values 0-255 → ``{"vector": (batch, dim), head: (batch, n_classes)}``.
    """
    photo = keras.Input(PHOTO_SHAPE, name="photo")
    x = layers.Rescaling(1 / 127.5, -1, name="rescale")(photo)
    x = layers.Conv2D(widths[0], 5, 2, padding="same", activation="relu", name="stem")(x)
    x = layers.MaxPooling2D(2, name="stem_pool")(x)  # (batch, 20, 15, widths[0])
    x = layers.BatchNormalization(momentum=0.9, name="stem_norm")(x)
    for stage, width in enumerate(widths[1:], start=1):
        if stage > 1:
            x = layers.MaxPooling2D(2, padding="same", name=f"pool_{stage}")(x)
        x = residual_block(x, width, f"block_{stage}")
    mean = layers.GlobalAveragePooling2D(name="mean")(x)
    most = layers.GlobalMaxPooling2D(name="most")(x)
    features = layers.Concatenate(name="features")([mean, most])  # (batch, 2 · widths[-1])
    return keras.Model(photo, _vector_and_heads(features, dim, classes), name="photo_encoder")


def text_encoder(vocabulary_size, dim, classes, word_order=True, width=128):
    """Words in order through a BiLSTM, beside the mean of words and n-grams → vector and heads.

    Without ``word_order`` there is no BiLSTM. While training, whole tokens are left out at random,
    so that no single word is relied on.
    ``(batch, 144)`` int32 (``TitleTokens``) → ``{"vector": (batch, dim), head: (batch, n)}``.
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embed = layers.Embedding(vocabulary_size, width, mask_zero=True, name="embed")
    split = TitleTokens.WORDS
    words = layers.Dropout(0.1, noise_shape=(None, None, 1), name="drop_words")(
        embed(tokens[:, :split])
    )
    bag = layers.Dropout(0.2, noise_shape=(None, None, 1), name="drop_bag")(
        embed(tokens[:, split:])
    )
    features = layers.GlobalAveragePooling1D(name="mean")(bag)  # (batch, width)
    if word_order:
        order = layers.Bidirectional(layers.LSTM(width), name="bilstm")(words)
        features = layers.Concatenate(name="features")([order, features])  # (batch, 3 · width)
    return keras.Model(tokens, _vector_and_heads(features, dim, classes), name="text_encoder")


def _vector_and_heads(features, dim, classes):
    outputs = {"vector": layers.Dense(dim, name="project")(features)}
    for head, values in classes.items():
        outputs[head] = layers.Dense(len(values), name=f"head_{head}")(features)
    return outputs


class AttributeDualEncoder(DualEncoder):
    """A ``DualEncoder`` whose halves name attributes too, with the losses that train it all.

    Call with ``{"photo", "tokens", "phrases"}``; ``y`` holds ``group`` (title groups), ``classes``
    ``(batch, heads)`` and ``values`` ``(batch, attributes)`` (numbers of attribute values, -1
    where unknown) and ``phrase``, the value number that each row of ``phrases`` spells out.
    """

    without = ()  # of PARTS; those that are losses are left out here

    def call(self, inputs, training=False):
        photo = self.image_encoder(inputs["photo"], training=training)
        n = ops.shape(inputs["tokens"])[0]
        texts = self.text_encoder(
            ops.concatenate([inputs["tokens"], inputs["phrases"]], axis=0), training=training
        )
        outputs = {f"photo_{head}": photo[head] for head in HEADS}
        outputs |= {f"text_{head}": texts[head][:n] for head in HEADS}
        vectors = self.to_unit(texts["vector"])
        return outputs | {
            "photo": self.to_unit(photo["vector"]),
            "text": vectors[:n],
            "phrase": vectors[n:],
        }

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        photo, text, group = y_pred["photo"], y_pred["text"], y["group"]
        loss = contrastive_loss(photo, text, group, self.scale)
        asked = (y_pred["phrase"], y["phrase"], y["values"])
        # Times 0 where left out: so every weight has a gradient, be it zero.
        loss += ("attribute phrases" not in self.without) * self._phrase_losses(photo, text, *asked)
        loss += ("attribute heads" not in self.without) * self._head_losses(y["classes"], y_pred)
        return loss

    def _phrase_losses(self, photo, text, phrases, asked, values):
        both = [phrase_loss(phrases, side, asked, values, self.scale) for side in (photo, text)]
        return PHRASE_WEIGHT * (both[0] + both[1]) / 2

    def _head_losses(self, classes, y_pred):
        loss = 0.0
        for number, (head, weight) in enumerate(HEADS.items()):
            for side, share in (("photo", 1.0), ("text", TEXT_HEADS)):
                wrong = keras.losses.sparse_categorical_crossentropy(
                    classes[:, number], y_pred[f"{side}_{head}"], from_logits=True
                )
                loss += share * weight * ops.mean(wrong)
        return loss


def phrase_loss(phrases, products, asked, values, scale):
    """Softmax cross-entropy of attribute phrases over the batch: every product that fits is right.

    ``phrases``: ``(n, dim)``, ``products``: ``(batch, dim)``, unit rows; ``asked``: ``(n,)`` the
    value number of each phrase; ``values``: ``(batch, attributes)``, those of the products; -1
    is no value, and a phrase of none does not count. The target mass is shared by all products
    that bear the value (Khosla et al. 2020, arXiv:2004.11362, eq. 2). A scalar in nats, less the
    target's entropy: 0 where each of n right products has 1 / n of the probability.

    >>> phrases = products = np.eye(2, dtype="float32")  # "red" is the first, "bag" the second
    >>> asked, values = np.array([0, 1]), np.array([[0], [1]])  # each product bears one of them
    >>> round(float(phrase_loss(phrases, products, asked, values, scale=20.0)), 4)
    0.0
    """
    logits = scale * ops.matmul(phrases, ops.transpose(products))  # (n, batch)
    fits = ops.cast(ops.any(asked[:, None, None] == values[None], axis=-1), "float32")
    share = fits / ops.maximum(ops.sum(fits, axis=1, keepdims=True), 1)
    surplus = ops.sum(share * ops.log(ops.maximum(share, 1e-9)), axis=1)
    losses = surplus - ops.sum(share * ops.log_softmax(logits, axis=1), axis=1)  # (n,)
    counts = ops.cast(asked >= 0, "float32")
    return ops.sum(counts * losses) / ops.maximum(ops.sum(counts), 1)


def check_settings(settings):
    """``settings`` with those of ``SETTINGS`` that they do not name.

    Raises ``TutorialError`` for an unknown name or a value out of its range.

    >>> check_settings({"epochs": 5})["epochs"], len(check_settings({})) == len(SETTINGS)
    (5, True)
    """
    unknown = sorted(set(settings) - set(SETTINGS))
    if unknown:
        raise TutorialError(f"no setting {unknown[0]!r}; there are {', '.join(SETTINGS)}")
    settings = {**SETTINGS, **settings}
    for name, (low, high) in RANGES.items():
        check_whole(low=low, high=high, **{name.upper(): settings[name]})
    widths = settings["widths"]
    if not isinstance(widths, (tuple, list)) or not 2 <= len(widths) <= 8:
        raise TutorialError(f"WIDTHS is {widths!r}: choose from 2 to 8 numbers of channels")
    for width in widths:
        check_whole(low=1, high=2048, **{"one of WIDTHS": width})
    for name, high in (("decay", 1), ("learning_rate", 100), ("weight_decay", 100), ("ema", 1)):
        value = settings[name]
        if not is_a(value, float) or not 0 <= value <= high:
            raise TutorialError(f"{name.upper()} is {value!r}: choose a number from 0 to {high}")
    left_out = sorted(set(settings["without"]) - set(PARTS))
    if left_out:
        raise TutorialError(f"no part {left_out[0]!r} to leave out; there are {', '.join(PARTS)}")
    return settings


def build(vocabulary_size, classes, settings):
    """The untrained model, its weights made."""
    model = AttributeDualEncoder(
        photo_encoder(settings["dim"], settings["widths"], classes),
        text_encoder(
            vocabulary_size, settings["dim"], classes, "word order" not in settings["without"]
        ),
    )
    model.without = tuple(settings["without"])
    tokens = np.ones((1, 144), dtype="int32")
    model({"photo": np.zeros((1, *PHOTO_SHAPE)), "tokens": tokens, "phrases": tokens})
    return model
