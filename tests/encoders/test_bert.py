"""BERT from folders that the test writes: keras-hub's format and Hugging Face's."""

import json

import keras
import numpy as np
import pytest
from scipy.special import erf, softmax

from mmtutorial import TutorialError
from mmtutorial.encoders.bert import BertPieces, MeanBert, bert_from
from mmtutorial.encoders.text import fit_text_encoder, load_tokeniser, save_tokeniser

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "nike", "tee", "##s", "cafe", "red", ","]
SHAPE = {
    "vocabulary_size": len(PIECES),
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 12,
    "max_sequence_length": 16,
}
TEXTS = ["Nike tees, red", "Café", "red red unheard tee"]


def hugging_face(folder, rng, **config):
    """A tiny BERT with random weights, as transformers would save it; returns the weights."""
    from safetensors.numpy import save_file

    d, inner = SHAPE["hidden_dim"], SHAPE["intermediate_dim"]
    weights = {
        "embeddings.word_embeddings.weight": (len(PIECES), d),
        "embeddings.position_embeddings.weight": (16, d),
        "embeddings.token_type_embeddings.weight": (2, d),
        "embeddings.LayerNorm.weight": (d,),
        "embeddings.LayerNorm.bias": (d,),
        "pooler.dense.weight": (d, d),
        "pooler.dense.bias": (d,),
    }
    for n in range(SHAPE["num_layers"]):
        for name, out, into in [
            *((f"attention.self.{part}", d, d) for part in ("query", "key", "value")),
            ("attention.output.dense", d, d),
            ("intermediate.dense", inner, d),
            ("output.dense", d, inner),
        ]:
            weights[f"encoder.layer.{n}.{name}.weight"] = (out, into)
            weights[f"encoder.layer.{n}.{name}.bias"] = (out,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            weights[f"encoder.layer.{n}.{name}.weight"] = (d,)
            weights[f"encoder.layer.{n}.{name}.bias"] = (d,)
    weights = {name: rng.normal(size=s).astype("float32") for name, s in weights.items()}
    folder.mkdir(exist_ok=True)
    save_file({f"bert.{name}": w for name, w in weights.items()}, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    shape = {
        "model_type": "bert",
        "vocab_size": len(PIECES),
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "hidden_size": d,
        "intermediate_size": inner,
        "max_position_embeddings": 16,
        "hidden_act": "gelu",
        "architectures": ["BertModel"],
    }
    (folder / "config.json").write_text(json.dumps(shape | config))
    return weights


def bert_by_hand(w, tokens, gelu):
    """``(length,)`` tokens without padding → ``(hidden,)``, the mean over the pieces."""

    def dense(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["embeddings.word_embeddings.weight"][tokens]
    x = x + w["embeddings.position_embeddings.weight"][: len(tokens)]
    x = norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for n in range(SHAPE["num_layers"]):
        block = f"encoder.layer.{n}"
        q, k, v = (dense(x, f"{block}.attention.self.{p}") for p in ("query", "key", "value"))
        heads = []
        for part in np.split(np.arange(x.shape[1]), SHAPE["num_heads"]):
            weight = softmax(q[:, part] @ k[:, part].T / np.sqrt(len(part)), axis=-1)
            heads.append(weight @ v[:, part])
        attended = dense(np.concatenate(heads, axis=-1), f"{block}.attention.output.dense")
        x = norm(x + attended, f"{block}.attention.output.LayerNorm")
        inner = gelu(dense(x, f"{block}.intermediate.dense"))
        x = norm(x + dense(inner, f"{block}.output.dense"), f"{block}.output.LayerNorm")
    return x.mean(axis=0)


def exact(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def approximate(x):
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


@pytest.mark.parametrize(("act", "gelu"), [("gelu", exact), ("gelu_new", approximate)])
def test_a_hugging_face_folder_is_the_formula(tmp_path, act, gelu):
    weights = hugging_face(tmp_path / "hf", np.random.default_rng(0), hidden_act=act)
    tokeniser, encoder = bert_from(str(tmp_path / "hf"))
    rows = tokeniser.encode(TEXTS)
    assert rows[0].tolist()[:8] == [2, 5, 6, 7, 10, 9, 3, 0]  # [CLS] nike tee ##s , red [SEP]
    assert rows[1].tolist()[:4] == [2, 8, 3, 0]  # the accent is stripped: cafe, not [UNK]
    assert rows.shape == (3, 16)
    expected = [bert_by_hand(weights, row[row > 0], gelu) for row in rows]
    assert np.allclose(encoder.predict(rows, verbose=0), expected, atol=1e-5)
    if act == "gelu":
        other = [bert_by_hand(weights, row[row > 0], approximate) for row in rows]
        assert not np.allclose(expected, other, atol=1e-5)  # the fault would be seen


@pytest.mark.slow
def test_a_keras_preset_is_the_backbone_that_was_saved(tmp_path):
    from keras_hub.models import BertBackbone, BertTokenizer

    keras.utils.set_random_seed(0)
    backbone = BertBackbone(**SHAPE)
    backbone.save_to_preset(str(tmp_path / "preset"))
    BertTokenizer(PIECES, lowercase=True).save_to_preset(str(tmp_path / "preset"))
    tokeniser, encoder = bert_from(tmp_path / "preset")
    rows = tokeniser.encode(TEXTS)
    assert rows[1].tolist()[:4] == [2, 8, 3, 0]
    real = (rows > 0).astype("int32")
    inputs = {"token_ids": rows, "segment_ids": 0 * rows, "padding_mask": real}
    states = backbone.predict(inputs, verbose=0)["sequence_output"]
    expected = (states * real[..., None]).sum(axis=1) / real.sum(axis=1, keepdims=True)
    assert np.allclose(encoder.predict(rows, verbose=0), expected, atol=1e-5)


@pytest.mark.slow
def test_a_pretrained_encoder_plugs_in_by_name_and_survives_saving(tmp_path):
    hugging_face(tmp_path / "hf", np.random.default_rng(1))
    tokeniser, encoder = fit_text_encoder(f"bert:{tmp_path / 'hf'}", ["unused"], dim=5)
    before = encoder.predict(tokeniser.encode(TEXTS), verbose=0)
    assert before.shape == (3, 5)
    encoder.save(tmp_path / "model.keras")
    save_tokeniser(tokeniser, tmp_path / "pieces.json")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    rows = load_tokeniser(tmp_path / "pieces.json").encode(TEXTS)
    assert np.allclose(loaded.predict(rows, verbose=0), before, atol=1e-6)
    assert loaded.get_layer("bert").exact_gelu


@pytest.mark.slow
def test_every_weight_that_trains_gets_a_gradient():
    tokens = keras.Input((None,), dtype="int32")
    bert = MeanBert(SHAPE)
    model = keras.Model(tokens, keras.layers.Dense(1)(bert(tokens)))
    model.compile("sgd", "mse")
    before = [keras.ops.convert_to_numpy(w) for w in model.trainable_weights]
    rows = np.array([[2, 5, 3, 0], [2, 6, 7, 3]], dtype="int32")
    model.fit(rows, np.array([50.0, -90.0]), verbose=0)
    moved = {
        w.path for w, old in zip(model.trainable_weights, before, strict=True)
        if np.abs(keras.ops.convert_to_numpy(w) - old).max() > 0
    }  # fmt: skip
    # A bias on the keys shifts all scores of a row alike: the softmax does not see it.
    still = {w.path for w in model.trainable_weights} - moved
    assert all("key/bias" in path for path in still)
    assert not any("pooled" in w.path for w in model.trainable_weights)


def test_known_words_and_long_texts():
    pieces = BertPieces(PIECES, length=5)
    assert pieces.known_words("red nikes puma") == ["red", "nikes"]
    assert pieces.encode(["red red red red red", ""]).tolist() == [[2, 9, 9, 9, 3], [2, 3, 0, 0, 0]]


@pytest.mark.parametrize(
    ("pieces", "fault"),
    [(PIECES[1:], r"lacks \[PAD\]"), (["a", *PIECES], r"piece 0 of this BERT is 'a'")],
)
def test_a_vocabulary_that_does_not_fit_is_refused(pieces, fault):
    with pytest.raises(TutorialError, match=fault):
        BertPieces(pieces)


def test_folders_that_hold_no_bert_are_refused(tmp_path):
    hugging_face(tmp_path / "hf", np.random.default_rng(2), model_type="gpt2")
    with pytest.raises(TutorialError, match="'gpt2' model"):
        bert_from(tmp_path / "hf")
    hugging_face(tmp_path / "hf", np.random.default_rng(2), hidden_act="relu")
    with pytest.raises(TutorialError, match="activation 'relu'"):
        bert_from(tmp_path / "hf")
    (tmp_path / "hf" / "vocab.txt").unlink()
    with pytest.raises(TutorialError, match=r"lacks vocab.txt"):
        bert_from(tmp_path / "hf")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TutorialError, match=r"no config.json"):
        bert_from(tmp_path / "empty")
    with pytest.raises(TutorialError, match="cannot load a BERT from 'no_such_bert'"):
        bert_from("no_such_bert")


def test_offline_says_so(monkeypatch):
    from keras_hub.models import BertBackbone

    def unreachable(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(BertBackbone, "from_preset", unreachable)
    with pytest.raises(TutorialError, match=r"no route to host.*online for its first use"):
        bert_from("bert_tiny_en_uncased")
