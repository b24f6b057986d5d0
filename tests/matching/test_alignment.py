"""Alignment weights: a share for each modality, whoever else is in the batch."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from other_backends import each_other_backend, run_on
from scipy.special import softmax

from mmtutorial import TutorialError
from mmtutorial.matching.alignment import PER, AlignedSearch, AlignmentWeights, align, entropy
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.search.product_search import mix

DIM = 8


def unit_rows(n, seed=0, dim=DIM):
    return unit_length(np.random.default_rng(seed).normal(size=(n, dim)))


def shuffled_in(layer, seed=0):
    """Weights drawn at random, so that the two modalities are not alike any more."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


def trained_on(width=1, hidden=4, temperature=1.0, seed=0):
    layer = AlignmentWeights(width, hidden, temperature)
    layer((unit_rows(2), unit_rows(2)))
    return shuffled_in(layer, seed)


def weigh(layer, *vectors):
    return ops.convert_to_numpy(layer(vectors if len(vectors) > 1 else vectors[0]))


@given(
    st.integers(1, 6),
    st.sampled_from([1, DIM]),
    st.sampled_from([0, 4]),
    st.floats(0.5, 10),
    st.integers(0, 10**6),
)
@settings(max_examples=25, deadline=None)
def test_weights_are_positive_and_have_the_sum_one(batch, width, hidden, temperature, seed):
    layer = trained_on(width, hidden, temperature, seed)
    found = weigh(layer, unit_rows(batch, seed), unit_rows(batch, seed + 1))
    assert found.shape == (batch, 2, width)
    assert (found > 0).all()
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("hidden", [0, 4])
def test_the_layer_is_two_matrices_and_a_softmax_over_the_modalities(hidden):
    photo, text = unit_rows(5), unit_rows(5, seed=1)
    layer = trained_on(DIM, hidden, temperature=0.7)
    both = np.concatenate([photo, text], axis=1)
    weights = layer.get_weights()
    if hidden:
        both = np.maximum(both @ weights[0] + weights[1], 0)
    scores = (both @ weights[-2] + weights[-1]).reshape(5, 2, DIM)
    assert np.allclose(weigh(layer, photo, text), softmax(scores / 0.7, axis=1), atol=1e-5)


def test_a_product_s_weights_do_not_depend_on_its_batch():
    layer = trained_on()
    photo, text = unit_rows(6), unit_rows(6, seed=1)
    together = weigh(layer, photo, text)
    alone = np.concatenate([weigh(layer, photo[[n]], text[[n]]) for n in range(6)])
    assert np.allclose(together, alone, atol=1e-5)
    assert np.ptp(together[:, 0]) > 0.05  # and they are not all the same


def test_both_weights_change_when_one_modality_does():
    layer = trained_on(temperature=10)
    photo, text = unit_rows(6), unit_rows(6, seed=1)
    moved = np.abs(weigh(layer, unit_rows(6, seed=2), text) - weigh(layer, photo, text))
    assert (moved[:, 1] > 1e-3).all()  # β too, though the title is the same


def test_an_untrained_layer_weighs_both_alike():
    assert np.allclose(weigh(AlignmentWeights(), unit_rows(3), unit_rows(3, seed=1)), 0.5)


@pytest.mark.parametrize("photo_weight", [0.0, 0.3, 0.9, 1.0])
def test_fixed_weights_are_the_mix(photo_weight):
    photo, text = unit_rows(7), unit_rows(7, seed=1)
    weights = np.tile(np.array([[[photo_weight], [1 - photo_weight]]]), (7, 1, 1))
    found = ops.convert_to_numpy(align(photo, text, weights))
    assert np.allclose(found, mix(photo, text, photo_weight), atol=1e-6)


def test_weights_of_a_dimension_touch_that_dimension_only():
    photo, text = unit_rows(3), unit_rows(3, seed=1)
    weights = np.zeros((3, 2, DIM))
    weights[:, 0, :4] = weights[:, 1, 4:] = 1
    expected = unit_length(np.concatenate([photo[:, :4], text[:, 4:]], axis=1))
    assert np.allclose(ops.convert_to_numpy(align(photo, text, weights)), expected, atol=1e-6)


def test_entropy_is_in_bits():
    weights = np.array([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])[:, :, None]
    expected = 0.25 * 2 + 0.75 * np.log2(4 / 3)
    assert np.allclose(entropy(weights)[:, 0], [1, 0, expected])


def test_temperature_sharpens_and_flattens():
    scores = [
        entropy(weigh(trained_on(temperature=t), unit_rows(9), unit_rows(9, seed=1))).mean()
        for t in (0.01, 1.0, 100.0)
    ]
    assert scores[0] < 0.2 < scores[1] < 0.99 < scores[2]


@pytest.mark.parametrize("per", PER)
def test_an_untrained_search_scores_as_the_equal_mix(per):
    photo, text, query = (unit_rows(6, seed) for seed in range(3))
    found = AlignedSearch(per)({"photo": photo, "text": text, "query": query})
    product, query_vectors = (ops.convert_to_numpy(found[name]) for name in ("product", "query"))
    assert np.allclose(query_vectors @ product.T, query @ mix(photo, text, 0.5).T, atol=1e-5)


def test_per_query_is_one_dot_product():
    photo, text, query = (unit_rows(6, seed) for seed in range(3))
    model = AlignedSearch("query", hidden=4)
    model({"photo": photo, "text": text, "query": query})
    shuffled_in(model.alignment)
    weights = weigh(model.alignment, query)[:, :, 0]
    queries, products = model.queries(query), model.products(photo, text)
    found = ops.convert_to_numpy(ops.matmul(queries, ops.transpose(products)))
    half = np.linalg.norm(photo + text, axis=1) / 2
    expected = (weights[:, :1] * (query @ photo.T) + weights[:, 1:] * (query @ text.T)) / half
    assert np.allclose(found, expected, atol=1e-5)


@keras.saving.register_keras_serializable("test_alignment")
class FromNothing(keras.Model):
    """The inputs are weights here, so that what reaches them can be measured."""

    def __init__(self, per):
        super().__init__()
        self.search = AlignedSearch(per, hidden=4)
        start = [keras.initializers.Constant(unit_rows(6, seed)) for seed in range(3)]
        self.parts = [self.add_weight(shape=(6, DIM), initializer=each) for each in start]

    def call(self, rows):
        photo, text, query = self.parts
        return self.search({"photo": photo + 0 * rows, "text": text, "query": query})

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.search.compute_loss(y=y, y_pred=y_pred)


@pytest.mark.parametrize("per", PER)
def test_a_gradient_reaches_photo_and_text_and_all_weights(per):
    model = FromNothing(per)
    rows = np.zeros((6, DIM), dtype="float32")
    model(rows)
    shuffled_in(model.search.alignment)
    model.compile(optimizer=keras.optimizers.SGD(1.0))
    before = [ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    model.fit(rows, np.arange(6), batch_size=6, shuffle=False, verbose=0)
    after = [ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    assert len(after) == 3 + 4
    for weight, old, new in zip(model.trainable_weights, before, after, strict=True):
        assert np.abs(new - old).max() > 1e-5, weight.path


def damaged(n=1536, seed=0):
    """Products of two equal modalities; of every other one the photo is the same noise, or gone.

    The query is the product's own vector, so that whoever listens to the damaged side misses it.
    """
    rng = np.random.default_rng(seed)
    query = unit_length(rng.normal(size=(n, DIM)))
    photo, text = query.copy(), query.copy()
    noise = unit_length(rng.normal(size=(2, DIM)))
    lost = rng.integers(0, 2, size=n)  # 0: the photo, 1: the text
    photo[lost == 0], text[lost == 1] = noise[0], noise[1]
    return {"photo": photo, "text": text, "query": query}, lost


def fit(model, data, epochs=6):
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    rows = np.arange(len(data["query"]), dtype="int32")
    return model.fit(data, rows, batch_size=64, epochs=epochs, verbose=0).history["loss"]


@pytest.mark.slow
@pytest.mark.parametrize("per", ["product", "dimension"])
def test_weights_learn_to_leave_what_is_damaged(per):
    data, lost = damaged()
    keras.utils.set_random_seed(0)
    model = AlignedSearch(per, hidden=16)
    losses = fit(model, data)
    alpha = weigh(model.alignment, data["photo"], data["text"])[:, 0].mean(axis=-1)
    assert losses[-1] < 0.7 * losses[0]
    assert alpha[lost == 0].max() < 0.5 < alpha[lost == 1].min()


@pytest.mark.parametrize("per", PER)
def test_saved_and_read_again(per, tmp_path):
    data = {name: unit_rows(6, seed) for seed, name in enumerate(("photo", "text", "query"))}
    model = AlignedSearch(per, hidden=4, temperature=0.5, scale=7.0)
    model(data)
    shuffled_in(model.alignment)
    model.save(tmp_path / "search.keras")
    again = keras.saving.load_model(tmp_path / "search.keras", compile=False)
    assert (again.per, again.scale, again.alignment.temperature) == (per, 7.0, 0.5)
    for name, value in model(data).items():
        assert np.allclose(ops.convert_to_numpy(value), ops.convert_to_numpy(again(data)[name]))


@pytest.mark.slow
@pytest.mark.parametrize("per", PER)
def test_mixed_precision_trains(per):
    """What a GPU run does, on the CPU: float16 compute, weights that still have the sum one."""
    data, _ = damaged(256)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = AlignedSearch(per, hidden=16)
        losses = fit(model, data, epochs=3)
    finally:
        keras.config.set_dtype_policy("float32")
    read = ["query"] if per == "query" else ["photo", "text"]
    found = weigh(model.alignment, *(data[name] for name in read))
    assert model.alignment.compute_dtype == "float16"
    assert np.isfinite(losses).all()
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert np.abs(found - 0.5).max() > 1e-3  # it moved


def test_what_cannot_be_is_refused():
    with pytest.raises(TutorialError, match="no weights per 'day'; choose one of product"):
        AlignedSearch("day")
    with pytest.raises(TutorialError, match="temperature is 0"):
        AlignmentWeights(temperature=0)


ON_ANOTHER_BACKEND = """
from test_alignment import PER, AlignedSearch, damaged, fit
data, _ = damaged()
report = {per: fit(AlignedSearch(per, hidden=16), data) for per in PER}
"""


@pytest.mark.slow
@each_other_backend
def test_the_same_code_learns_on_other_backends(backend):
    losses = run_on(backend, ON_ANOTHER_BACKEND)
    for per in ("product", "dimension"):  # the query says nothing of what is damaged here
        assert losses[per][-1] < 0.7 * losses[per][0]
