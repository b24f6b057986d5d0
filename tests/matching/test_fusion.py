"""Every fusion layer of the registry, one after the other; the space around them; late fusion.

Tests that take a ``name`` run for whatever is in ``FUSIONS``: a new layer is tested by being there.
"""

import keras
import numpy as np
import pytest
from keras import ops
from other_backends import each_other_backend, run_on

from mmtutorial import TutorialError
from mmtutorial.devices import computing_in
from mmtutorial.matching.contrastive import MAX_SCALE
from mmtutorial.matching.fused_space import (
    FusedSpace,
    FusionBatches,
    FusionPairs,
    cut_title,
    drop_parts,
    fusion_pairs,
    train_fusion,
)
from mmtutorial.matching.fusion import FUSIONS, fusion, make_fusion
from mmtutorial.metrics.similarity import unit_length

DIM = 16
each_fusion = pytest.mark.parametrize("name", sorted(FUSIONS))


def unit_rows(*shape, seed=0):
    return unit_length(np.random.default_rng(seed).normal(size=shape))


def two_modalities(batch=6, dim=DIM):
    return unit_rows(batch, dim), unit_rows(batch, dim, seed=1)


def some_pairs(n=96, dim=DIM, seed=0):
    """Products of 12 kinds, each a vector in the photos and another in the texts, plus noise."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(12, size=n)
    looks, names = np.random.default_rng(9).normal(size=(2, 12, dim))

    def view(centres, *cuts):
        middle = centres[kind].reshape(n, *[1] * len(cuts), dim)
        return unit_length(middle + 0.5 * rng.normal(size=(n, *cuts, dim)))

    said, rest = view(names, 3), view(names, 3)
    return FusionPairs(view(looks), view(names), view(looks), said, rest, np.arange(n))


@each_fusion
def test_two_vectors_in_one_out(name):
    keras.utils.set_random_seed(0)
    layer = make_fusion(name)
    z = layer(two_modalities())
    assert tuple(z.shape) == (6, DIM)
    assert np.isfinite(ops.convert_to_numpy(z)).all()
    alone = layer(tuple(part[:1] for part in two_modalities()))  # a row depends on no other row
    assert np.allclose(ops.convert_to_numpy(z)[:1], ops.convert_to_numpy(alone), atol=1e-5)


class Inputs(keras.layers.Layer):
    """Two vectors as weights: a step of training moves them where they have a gradient."""

    def build(self, input_shape):
        shape, start = (1, DIM), keras.initializers.RandomNormal(seed=3)
        self.photo = self.add_weight(shape=shape, initializer=start, name="photo")
        self.text = self.add_weight(shape=shape, initializer=start, name="text")

    def call(self, rows):
        return self.photo + 0 * rows, self.text + 0 * rows


@each_fusion
def test_both_modalities_get_a_gradient(name):
    """Without naming a backend: train one step and see whether either input was moved."""
    keras.utils.set_random_seed(0)
    inputs, layer = Inputs(), make_fusion(name)
    row = keras.Input((DIM,))
    model = keras.Model(row, layer(inputs(row)))
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse", run_eagerly=True)
    before = [ops.convert_to_numpy(part) for part in (inputs.photo, inputs.text)]
    model.fit(np.zeros((4, DIM)), unit_rows(4, DIM), epochs=1, verbose=0)
    after = [ops.convert_to_numpy(part) for part in (inputs.photo, inputs.text)]
    for old, new in zip(before, after, strict=True):
        assert np.abs(new - old).max() > 1e-6


@each_fusion
def test_saved_and_loaded_is_the_same(name, tmp_path):
    keras.utils.set_random_seed(0)
    space = FusedSpace(make_fusion(name), DIM)
    photo, text = two_modalities()
    space.save(tmp_path / "space.keras")
    loaded = keras.saving.load_model(tmp_path / "space.keras")
    assert type(loaded.fusion) is FUSIONS[name]
    assert np.allclose(loaded.embed(photo, text), space.embed(photo, text), atol=1e-6)
    assert np.allclose(loaded.embed(text=text), space.embed(text=text), atol=1e-6)


@pytest.mark.slow
@each_fusion
def test_it_learns_in_mixed_precision(name):
    """What a GPU does, on the CPU: float16 compute, float32 weights that all move, a lower loss."""
    with computing_in("mixed_float16"):
        keras.utils.set_random_seed(0)
        fresh = FusedSpace(make_fusion(name), DIM).fusion  # how the trained one began
        space = train_fusion(name, some_pairs(), 50, batch_size=48, learning_rate=3e-2)
        z = space.fusion(tuple(ops.cast(part, "float16") for part in two_modalities()))
    for old, new in zip(fresh.trainable_weights, space.fusion.trainable_weights, strict=True):
        old, new = ops.convert_to_numpy(old), ops.convert_to_numpy(new)
        assert np.abs(new - old).max() > 0.01  # weight decay alone moves them by 1e-4
    assert keras.backend.standardize_dtype(z.dtype) == "float16"
    assert all(weight.dtype == "float32" for weight in space.weights)
    assert space.log["loss"].iloc[-1] < space.log["loss"].iloc[0]


ON_ANOTHER_BACKEND = """
from test_fusion import FUSIONS, some_pairs, train_fusion
report = {}
for name in FUSIONS:
    space = train_fusion(name, some_pairs(), 75, batch_size=48, learning_rate=3e-2)
    report[name] = list(space.log["loss"])
"""


@pytest.mark.slow
@each_other_backend
def test_every_fusion_learns_on_other_backends(backend):
    found = run_on(backend, ON_ANOTHER_BACKEND)
    assert set(found) == set(FUSIONS)
    for name, losses in found.items():
        assert losses[-1] < losses[0], name


# Known cases ------------------------------------------------------------------------------------


def test_weighted_in_equal_parts_is_the_sum_but_for_its_length():
    inputs = two_modalities()
    half = ops.convert_to_numpy(make_fusion("weighted", photo_weight=0.5)(inputs))
    assert np.allclose(2 * half, ops.convert_to_numpy(make_fusion("sum")(inputs)), atol=1e-6)


def test_a_gate_at_rest_lets_half_of_each_through():
    photo, text = two_modalities()
    layer = make_fusion("gated")
    layer((photo, text))
    layer.gate.set_weights([np.zeros((2 * DIM, DIM)), np.zeros(DIM)])
    assert np.allclose(layer((photo, text)), (photo + text) / 2, atol=1e-6)
    layer.gate.set_weights([np.zeros((2 * DIM, DIM)), np.full(DIM, 30.0)])
    assert np.allclose(layer((photo, text)), photo, atol=1e-6)


def bilinear_with_kernel(dim):
    """A bilinear layer, and its weights as one kernel ``(dim + 1, dim + 1, dim)``."""
    layer = make_fusion("bilinear")
    layer(two_modalities(dim=dim))  # builds it
    kernel = np.random.default_rng(2).normal(size=(dim + 1, dim + 1, dim))
    layer.kernel.assign(kernel[1:, 1:])
    layer.linear.set_weights([np.concatenate([kernel[1:, 0], kernel[0, 1:]]), kernel[0, 0]])
    return layer, kernel


def with_one(x):
    return np.concatenate([np.ones((len(x), 1)), x], axis=1)


def test_bilinear_is_its_formula():
    photo, text = two_modalities(dim=5)
    layer, kernel = bilinear_with_kernel(5)
    wanted = np.einsum("bi,ijk,bj->bk", with_one(photo), kernel, with_one(text))
    assert np.allclose(layer((photo, text)), wanted, atol=1e-5)


def test_low_rank_bilinear_at_full_rank_is_bilinear():
    n, dim = 6, 5
    full, kernel = bilinear_with_kernel(dim)
    low = make_fusion("low_rank", rank=n * n)
    low(two_modalities(dim=dim))  # builds it
    each_n_times, n_times_all = np.repeat(np.eye(n), n, axis=1), np.tile(np.eye(n), n)
    low.of_photo.set_weights([each_n_times[1:], each_n_times[0]])  # 1 1 1 … x_1 x_1 x_1 …
    low.of_text.set_weights([n_times_all[1:], n_times_all[0]])  # 1 y_1 y_2 … 1 y_1 y_2 …
    weights = kernel.reshape(n * n, dim)
    low.out.set_weights([weights, weights.sum(axis=0)])  # the layer takes a 1 from each product
    inputs = two_modalities(dim=dim)
    assert np.allclose(full(inputs), low(inputs), atol=1e-4)


def test_tensor_fusion_holds_each_modality_and_their_products():
    photo, text = two_modalities(dim=3)
    layer = make_fusion("tensor", width=3)
    layer((photo, text))
    for dense in (layer.of_photo, layer.of_text):
        dense.set_weights([np.eye(3), np.zeros(3)])
    pick = np.zeros((16, 3))
    pick[[1, 8, 6], [0, 1, 2]] = 1  # of [1; x] ⊗ [1; y]: y_1, then x_2, then x_1 y_2
    layer.out.set_weights([pick, np.zeros(3)])
    found = ops.convert_to_numpy(layer((photo, text)))
    wanted = np.stack([text[:, 0], photo[:, 1], photo[:, 0] * text[:, 1]], axis=1)
    assert np.allclose(found, wanted, atol=1e-6)


def test_film_conditions_the_photo_on_the_text():
    photo, text = two_modalities()
    layer = make_fusion("film")
    layer((photo, text))
    layer.gamma.set_weights([np.zeros((DIM, DIM)), np.full(DIM, -1.0)])
    layer.beta.set_weights([np.eye(DIM), np.zeros(DIM)])
    assert np.allclose(layer((photo, text)), text, atol=1e-6)  # 1 + γ = 0 shuts the photo out


# The registry -----------------------------------------------------------------------------------


def test_an_unknown_name_or_option_is_refused():
    with pytest.raises(TutorialError, match=r"no fusion named 'glue'; choose one of .*gated"):
        make_fusion("glue")
    with pytest.raises(TutorialError, match="'sum' cannot be made with"):
        make_fusion("sum", rank=3)
    with pytest.raises(TutorialError, match="a share from 0 to 1, not 2"):
        make_fusion("weighted", photo_weight=2)
    with pytest.raises(TutorialError, match="16 dimensions do not divide into 5 tokens"):
        make_fusion("attention", tokens=5)(two_modalities())


def test_a_layer_of_your_own_joins_and_may_be_registered_again(tmp_path):
    def cell():  # as a notebook's cell, run twice
        @fusion("largest")
        class Largest(keras.Layer):
            def call(self, inputs):
                return ops.maximum(*inputs)

        return Largest

    try:
        cell()
        newest = cell()
        assert FUSIONS["largest"] is newest
        space = FusedSpace(make_fusion("largest"), DIM)
        space.save(tmp_path / "mine.keras")
        assert type(keras.saving.load_model(tmp_path / "mine.keras").fusion) is newest
    finally:
        FUSIONS.pop("largest", None)


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(TutorialError, match="'gated' exists already"):

        @fusion("gated")
        class Mine(keras.Layer):
            pass


def test_a_layer_of_another_shape_is_refused():
    class Both(keras.Layer):
        def call(self, inputs):
            return ops.concatenate(inputs, axis=-1)

    with pytest.raises(TutorialError, match=r"Both returns \(None, 32\) .* returns \(batch, 16\)"):
        FusedSpace(Both(), DIM)


# The space --------------------------------------------------------------------------------------


@each_fusion
def test_one_part_alone_still_tells_products_apart(name):
    """A missing part is zeros: what multiplies must not lose the other part with it."""
    keras.utils.set_random_seed(0)
    space = FusedSpace(make_fusion(name), DIM)
    for part in ({"photo": unit_rows(8, DIM)}, {"text": unit_rows(8, DIM)}):
        rows = space.embed(**part)
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
        assert ((rows @ rows.T)[~np.eye(8, dtype=bool)] < 0.99).all()


def test_a_part_left_out_is_a_row_of_zeros():
    space = FusedSpace(make_fusion("gated"), DIM)
    photo, text = two_modalities()
    assert np.array_equal(space.embed(photo), space.embed(photo, np.zeros_like(text)))
    assert not np.allclose(space.embed(photo), space.embed(photo, text), atol=1e-3)


def test_the_scale_is_learnt_and_bounded():
    space = FusedSpace(make_fusion("sum"), DIM, temperature=0.1)
    assert float(space.scale) == pytest.approx(10)
    space.log_scale.assign(20.0)
    assert float(space.scale) == MAX_SCALE


def test_nothing_to_embed_is_an_error():
    with pytest.raises(TutorialError, match="nothing to embed"):
        FusedSpace(make_fusion("sum"), DIM).embed()


@pytest.mark.slow
def test_training_lets_words_find_photos():
    """At first no text is near its photo: the layer has to learn which belong together."""
    keras.utils.set_random_seed(0)
    unseen, kind = some_pairs(seed=5), np.random.default_rng(5).integers(12, size=96)

    def found(space):
        scores = space.embed(text=unseen.said[:, 0]) @ space.embed(unseen.photo).T
        return np.mean(kind[scores.argmax(axis=1)] == kind)

    space = train_fusion("concat", some_pairs(), 300, 48, learning_rate=1e-2, dropout=0.5)
    assert found(space) > 0.5 > 0.3 > found(FusedSpace(make_fusion("concat"), DIM))  # chance 1 / 12
    assert list(space.log["step"]) == list(range(25, 301, 25))


def three_of(pairs, seed, epoch=0):
    batches = FusionBatches(pairs, 3, 32, dropout=0.5, seed=seed)
    batches.set_epoch(epoch)
    return [batches[number] for number in range(3)]


def test_every_method_sees_the_same_batches():
    pairs = some_pairs()
    first, second = (three_of(pairs, seed=1) for _ in range(2))
    other = three_of(pairs, seed=2)
    for (x, y), (x_again, y_again) in zip(first, second, strict=True):
        assert (y == y_again).all()
        assert all((x[name] == x_again[name]).all() for name in x)
    assert all((a[1] != b[1]).any() for a, b in zip(first, other, strict=True))
    later = three_of(pairs, seed=1, epoch=1)
    assert all((a[1] != b[1]).any() for a, b in zip(first, later, strict=True))
    assert (first[0][1] != first[1][1]).any()


def test_a_query_holds_words_a_photo_or_both_in_equal_shares():
    x, groups = FusionBatches(some_pairs(3000), 1, 3000)[0]
    photo, text = x["query_photo"].any(axis=1), x["query_text"].any(axis=1)
    assert (photo | text).all()
    for share in (np.mean(photo & text), np.mean(photo & ~text), np.mean(text & ~photo)):
        assert share == pytest.approx(1 / 3, abs=0.03)
    assert x["photo"].any(axis=1).all() and x["text"].any(axis=1).all()
    assert len(set(groups)) == 3000  # no product twice in a batch


def test_a_product_keeps_one_part_at_least():
    photo, text = two_modalities(4000)
    photo, text = drop_parts(photo, text, 0.4, np.random.default_rng(0))
    has_photo, has_text = photo.any(axis=1), text.any(axis=1)
    assert (has_photo | has_text).all()
    assert np.mean(~has_photo) == pytest.approx(0.2, abs=0.03)
    assert np.mean(~has_text) == pytest.approx(0.2, abs=0.03)
    assert drop_parts(photo, text, 0.0, np.random.default_rng(0))[0] is not photo


def test_a_title_is_cut_into_two_parts_in_order():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        said, rest = cut_title("a b c", rng)
        assert sorted((said + " " + rest).split()) == ["a", "b", "c"]
        assert said and rest and said == " ".join(sorted(said.split()))
        seen.add(said)
    assert len(seen) == 6
    assert set(cut_title("one", rng)) == {"one", ""}
    assert cut_title("", rng) == ("", "")


def test_too_few_products_or_a_diverged_loss_is_an_error():
    with pytest.raises(TutorialError, match=r"8 training products.*of 16.*smaller batch size"):
        train_fusion("sum", some_pairs(8), 25, batch_size=16)
    pairs = some_pairs()
    broken = pairs._replace(photo=np.full_like(pairs.photo, np.nan))
    with pytest.raises(TutorialError, match="lower learning rate"):
        train_fusion("sum", broken, 25, batch_size=48)


def test_pairs_are_made_from_a_catalogue():
    import pandas as pd

    from mmtutorial.catalogue.catalogue import Catalogue

    class LengthAndMiddle:
        """A retriever that can be checked by hand: a text's words, a photo's left and right."""

        def embed_texts(self, texts):
            return np.array([[len(text.split()), 1.0] for text in texts])

        def embed_photos(self, photos):
            return np.stack([photos[:, 0, 0, 0], photos[:, 0, -1, 0]], axis=1).astype("float32")

    photos = np.zeros((2, 80, 60, 3), dtype="uint8")
    photos[:, :, :30] = 9
    table = pd.DataFrame({"id": ["1", "2"], "title": ["red cotton shirt", "Red cotton  shirt"]})
    pairs = fusion_pairs(LengthAndMiddle(), Catalogue("two", table, photos), cuts=5)
    assert pairs.said.shape == pairs.rest.shape == (2, 5, 2)
    assert (pairs.said[..., 0] + pairs.rest[..., 0] == 3).all()
    assert pairs.photo.tolist() == [[9, 0], [9, 0]] and pairs.mirrored.tolist() == [[0, 9], [0, 9]]
    assert pairs.groups[0] == pairs.groups[1]
