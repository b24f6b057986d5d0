"""BERT through keras-hub: from scratch, from a preset, or from a Hugging Face folder (lesson 05).

keras-hub is imported where it is needed: that takes seconds.
"""

import json
from pathlib import Path

import keras
from keras import layers, ops

from mmtutorial import TutorialError
from mmtutorial.encoders.tokenisers import PADDING, WordPiece, words

SHAPE = (
    "vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim",
    "max_sequence_length", "num_segments", "dropout",
)  # fmt: skip
HUGGING_FACE = ("config.json", "model.safetensors", "vocab.txt")


@keras.saving.register_keras_serializable("mmtutorial")
class MeanBert(keras.Layer):
    """BERT (Devlin et al. 2019, arXiv:1810.04805), averaged over the pieces of a text.

    ``backbone`` holds the arguments of keras-hub's ``BertBackbone``. That always computes the
    approximate GELU, as the first BERT did; weights from Hugging Face mostly want the exact one
    (``exact_gelu``).

    Call with ``(batch, length)`` int32, 0 = padding; returns ``(batch, hidden_dim)``. Defined in
    lesson 05.
    """

    def __init__(self, backbone, exact_gelu=False, **kwargs):
        super().__init__(**kwargs)
        from keras_hub.models import BertBackbone

        self.arguments, self.exact_gelu = dict(backbone), exact_gelu
        self.backbone = BertBackbone(**backbone, dtype=self.dtype_policy)
        self.backbone.pooled_dense.trainable = False  # the mean takes its place: no gradient
        if exact_gelu:
            for block in self.backbone.transformer_layers:
                block._feedforward_intermediate_dense.activation = _exact_gelu

    def call(self, tokens, training=False):
        real = ops.cast(ops.not_equal(tokens, PADDING), "int32")  # (batch, length)
        states = self.backbone(
            {"token_ids": tokens, "segment_ids": ops.zeros_like(tokens), "padding_mask": real},
            training=training,
        )["sequence_output"]  # (batch, length, hidden_dim)
        share = ops.cast(real, states.dtype)[:, :, None]
        return ops.sum(share * states, axis=1) / ops.maximum(ops.sum(share, axis=1), 1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.arguments["hidden_dim"])

    def get_config(self):
        config = super().get_config()
        return {**config, "backbone": self.arguments, "exact_gelu": self.exact_gelu}


def _exact_gelu(x):
    return keras.activations.gelu(x, approximate=False)


class BertPieces(WordPiece):
    """The pieces of a pretrained BERT, between the marks it was trained with: [CLS] … [SEP].

    Capitals are kept or not, as the preset was trained; accents go where capitals go (without
    that, "Café" is [UNK] to most). Defined in lesson 05.
    """

    def __init__(self, pieces, length=32, lowercase=True):
        super().__init__(pieces, length)
        self.lowercase = lowercase
        missing = [mark for mark in ("[PAD]", "[UNK]", "[CLS]", "[SEP]") if mark not in self.pieces]
        if missing or self.pieces[PADDING] != "[PAD]":
            raise TutorialError(
                f"this BERT's vocabulary lacks {', '.join(missing)}"
                if missing
                else f"piece 0 of this BERT is {self.pieces[0]!r}; here padding, [PAD], must be 0"
            )

    def _cut(self, texts):
        from keras_hub.tokenizers import WordPieceTokenizer

        if self._tokeniser is None:
            self._tokeniser = WordPieceTokenizer(
                self.pieces, lowercase=self.lowercase, strip_accents=self.lowercase
            )
        texts = list(texts)
        first, last = self.pieces.index("[CLS]"), self.pieces.index("[SEP]")
        cut = self._tokeniser(texts) if texts else []
        return [[first, *map(int, row[: self.length - 2]), last] for row in cut]

    def known_words(self, text: str) -> list[str]:
        """The words of ``text`` that can be cut into known pieces."""
        unknown, found = self.pieces.index("[UNK]"), words(text)
        return [
            word for word, row in zip(found, self._cut(found), strict=True) if unknown not in row
        ]

    def get_config(self):
        """What the constructor needs to make the same again, as JSON can hold it."""
        return {**super().get_config(), "lowercase": self.lowercase}


def bert_from(
    preset: str | Path, dim: int | None = None, length: int = 32
) -> tuple[BertPieces, keras.Model]:
    """A pretrained BERT as ``(tokeniser, encoder)``.

    ``preset`` is a name that keras-hub knows, such as "bert_tiny_en_uncased" (downloaded once),
    a folder in its format, or a Hugging Face folder (``config.json``, ``model.safetensors``,
    ``vocab.txt``). The encoder is a ``keras.Model``, ``(batch, length)`` int32 →
    ``(batch, dim)``: the mean over the pieces and, given ``dim``, a dense layer, untrained;
    without it, ``(batch, hidden_dim)``. Defined in lesson 05.

    Raises
    ------
    TutorialError
        if there is no such preset or folder, a file is missing, or the name is not at hand
        and cannot be downloaded.
    """
    folder = Path(preset).expanduser()
    if folder.is_dir() and "model_type" in _json(folder / "config.json"):
        backbone, pieces, lowercase, exact = _from_hugging_face(folder)
    else:
        backbone, pieces, lowercase = _from_keras_hub(preset, folder)
        exact = False
    shape = {name: value for name, value in backbone.get_config().items() if name in SHAPE}
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    layer = MeanBert(shape, exact, name="bert")
    x = layer(tokens)  # (batch, hidden_dim)
    layer.backbone.set_weights(backbone.get_weights())
    if dim is not None:
        x = layers.Dense(dim, name="project")(x)
    length = min(length, shape["max_sequence_length"])
    return BertPieces(pieces, length, lowercase), keras.Model(tokens, x, name="bert_encoder")


def _json(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _from_hugging_face(folder):
    """``(backbone, pieces, lowercase, exact_gelu)``."""
    missing = [name for name in HUGGING_FACE if not (folder / name).exists()]
    config = _json(folder / "config.json")
    if missing or config["model_type"] != "bert":
        raise TutorialError(
            f"{str(folder)!r} lacks {', '.join(missing)}: a Hugging Face BERT has all of "
            f"{', '.join(HUGGING_FACE)}"
            if missing
            else f"{str(folder)!r} holds a {config['model_type']!r} model; give one of type 'bert'"
        )
    activation = config.get("hidden_act", "gelu")
    if activation not in ("gelu", "gelu_new", "gelu_pytorch_tanh"):
        raise TutorialError(
            f"{str(folder)!r} has the activation {activation!r}; this BERT has GELU"
        )
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    cased = any(piece != piece.lower() for piece in pieces if not piece.startswith("["))
    lowercase = _json(folder / "tokenizer_config.json").get("do_lower_case", not cased)
    return _backbone(folder), pieces, lowercase, activation == "gelu"


def _from_keras_hub(preset, folder):
    """``(backbone, pieces, lowercase)``."""
    from keras_hub.models import BertTokenizer

    if folder.is_dir() and not (folder / "config.json").exists():
        raise TutorialError(
            f"{str(folder)!r} holds no BERT: it has no config.json; save one there with "
            "save_to_preset, or copy a Hugging Face BERT there"
        )
    backbone = _backbone(preset)
    tokeniser = _loaded(BertTokenizer, preset)
    return backbone, tokeniser.get_vocabulary(), tokeniser.lowercase


def _backbone(preset):
    from keras_hub.models import BertBackbone

    return _loaded(BertBackbone, preset)


def _loaded(kind, preset):
    try:
        return kind.from_preset(str(preset))
    except Exception as fault:  # a typing error, no network, a bad file: keras-hub raises any
        reason = str(fault).strip().splitlines() or [type(fault).__name__]
        raise TutorialError(
            f"cannot load a BERT from {str(preset)!r}: {reason[0]}. Check the name, and that you "
            "are online for its first use; or give a folder that holds one: keras-hub's format, "
            f"or Hugging Face's ({', '.join(HUGGING_FACE)})"
        ) from fault
