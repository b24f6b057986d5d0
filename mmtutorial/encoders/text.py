"""Text encoders: a row of numbers in, one vector out (lesson 05; used from lesson 00 on).

A tokeniser (``tokenisers``, lesson 04) turns a text into numbers ``(length,)`` int32, padded on
the right with 0; an encoder turns ``(batch, length)`` of those into ``(batch, dim)`` float
features, not yet of unit length: ``DualEncoder`` does that.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import layers

from mmtutorial import TutorialError
from mmtutorial.encoders.bert import BertPieces, MeanBert, bert_from
from mmtutorial.encoders.tokenisers import (
    Characters,
    ChineseWords,
    Vocabulary,
    WordPiece,
    WordsAndNgrams,
    from_config,
)
from mmtutorial.files import intact, is_a, read_json

Tokeniser = Vocabulary | WordPiece


def bag_encoder(
    vocabulary_size: int, dim: int = 128, width: int = 128, vectors: np.ndarray | None = None
) -> keras.Model:
    """The mean of the tokens' vectors → dense: the order of the words plays no role.

    With the numbers of ``WordsAndNgrams`` this is the text half of fastText (Joulin et al. 2017,
    arXiv:1607.01759). ``vectors``, ``(vocabulary_size, width)`` float, are what the embedding
    starts from, such as those of a skip-gram (``word2vec``).

    Returns a ``keras.Model``: ``(batch, length)`` int32, 0 = padding → ``(batch, dim)`` float.
    Defined in lesson 05.

    >>> tuple(bag_encoder(1000, dim=64)(np.zeros((2, 128), "int32")).shape)
    (2, 64)
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    embed = layers.Embedding(vocabulary_size, width, mask_zero=True, name="embed")
    x = layers.GlobalAveragePooling1D(name="mean")(embed(tokens))  # (batch, width), padding apart
    model = keras.Model(tokens, layers.Dense(dim, name="project")(x), name="bag_encoder")
    if vectors is not None:
        embed.set_weights([vectors])
    return model


def lstm_encoder(vocabulary_size: int, dim: int = 128, width: int = 128) -> keras.Model:
    """Embedding → LSTM → dense: the article's text branch, made to train.

    ``mask_zero`` lets the LSTM skip the padding; without it the last state has read mostly
    zeros and often stays at chance.

    Returns a ``keras.Model``: ``(batch, length)`` int32, 0 = padding → ``(batch, dim)`` float.
    Defined in lesson 05.

    >>> tuple(lstm_encoder(1000, dim=64)(np.ones((2, 16), "int32")).shape)
    (2, 64)
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(vocabulary_size, width, mask_zero=True, name="embed")(tokens)
    x = layers.LSTM(width, name="lstm")(x)  # (batch, width): the state after the last word
    return keras.Model(tokens, layers.Dense(dim, name="project")(x), name="lstm_encoder")


def bilstm_encoder(vocabulary_size: int, dim: int = 128, width: int = 128) -> keras.Model:
    """Two LSTMs, one from each end, of half the width each (Schuster and Paliwal 1997).

    Shapes as in ``lstm_encoder``; the mask keeps the padding out of the backward one too, which
    would otherwise begin with it. Defined in lesson 05.

    >>> tuple(bilstm_encoder(1000, dim=64)(np.ones((2, 16), "int32")).shape)
    (2, 64)
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(vocabulary_size, width, mask_zero=True, name="embed")(tokens)
    x = layers.Bidirectional(layers.LSTM(width // 2), name="bilstm")(x)  # (batch, width)
    return keras.Model(tokens, layers.Dense(dim, name="project")(x), name="bilstm_encoder")


def bert_encoder(
    vocabulary_size: int, dim: int = 128, width: int = 128, depth: int = 2, heads: int = 4
) -> keras.Model:
    """A small BERT from scratch, averaged over the pieces → dense.

    Shapes as in ``lstm_encoder``; at most 128 pieces. ``bert_from`` makes a pretrained one.
    Defined in lesson 05.
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    backbone = {
        "vocabulary_size": vocabulary_size,
        "num_layers": depth,
        "num_heads": heads,
        "hidden_dim": width,
        "intermediate_dim": 2 * width,
        "max_sequence_length": 128,
    }
    x = MeanBert(backbone, name="bert")(tokens)  # (batch, width)
    return keras.Model(tokens, layers.Dense(dim, name="project")(x), name="bert_encoder")


# name → how a text becomes numbers, and a function of (how many numbers there are, dim)
TEXT_ENCODERS: dict[str, tuple[type[Tokeniser], Callable[..., keras.Model]]] = {
    "words": (Vocabulary, bag_encoder),
    "bag": (WordsAndNgrams, bag_encoder),
    "lstm": (Vocabulary, lstm_encoder),
    "bilstm": (Vocabulary, bilstm_encoder),
    "bert": (WordPiece, bert_encoder),
}


def fit_text_encoder(
    name: str, texts: Sequence[str], dim: int = 128
) -> tuple[Tokeniser, keras.Model]:
    """The text encoder called ``name`` and its tokeniser, fitted on ``texts`` (train only).

    ``name`` is one of ``TEXT_ENCODERS``, or ``"bert:PRESET"`` for what ``bert_from(PRESET)``
    loads, pretrained. Returns ``(tokeniser, model)``: ``tokeniser.encode(texts)`` gives
    ``(n, length)`` int32, the model takes that to ``(n, dim)``. Raises ``TutorialError`` for an
    unknown name; the message lists those there are.

    >>> tokeniser, model = fit_text_encoder("words", ["red shirt", "red hat", "hat"], dim=8)
    >>> model(tokeniser.encode(["hat", "red hat"])).shape == (2, 8)
    True
    """
    if name.startswith("bert:"):
        return bert_from(name.removeprefix("bert:"), dim)
    if name not in TEXT_ENCODERS:
        raise TutorialError(
            f"no text encoder {name!r}; choose one of {sorted(TEXT_ENCODERS)}, or 'bert:' and a "
            "preset's name or folder"
        )
    tokeniser_class, build = TEXT_ENCODERS[name]
    tokeniser = tokeniser_class.fit(texts)
    return tokeniser, build(len(tokeniser), dim)


def save_tokeniser(tokeniser: Tokeniser, path: str | Path) -> None:
    """Write a tokeniser, one of ours or of ``TEXT_ENCODERS``, to a JSON file."""
    content = {"kind": type(tokeniser).__name__, **tokeniser.get_config()}
    Path(path).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def load_tokeniser(path: str | Path, remedy: str = "save the tokeniser again") -> Tokeniser:
    """Read what ``save_tokeniser`` wrote.

    Raises ``TutorialError``, which ends with ``remedy``, where the file is damaged or names a
    tokeniser that is not there.
    """
    ours = (Vocabulary, ChineseWords, Characters, WordsAndNgrams, WordPiece, BertPieces)
    kinds = {kind.__name__: kind for kind in (*ours, *(kind for kind, _ in TEXT_ENCODERS.values()))}
    config = read_json(path, remedy)
    name = config.pop("kind", None)
    with intact(path, remedy):
        if not is_a(name, str) or name not in kinds:
            raise ValueError(f"no tokeniser {name!r}; there are {', '.join(sorted(kinds))}")
        return from_config(kinds[name], config)
