"""Photo encoders: by hand equal to the libraries, by name, saved and loaded, from presets."""

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from mmtutorial import TutorialError
from mmtutorial.encoders.by_hand import conv2d, fit_pca, max_pool
from mmtutorial.encoders.images import IMAGE_ENCODERS, make_image_encoder, resnet_encoder

SIZES = st.integers(1, 9)
unhurried = settings(deadline=None, max_examples=40)


def some_photos(n=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 80, 60, 3), dtype="uint8")


@unhurried
@given(
    batch=st.integers(1, 3),
    size=st.tuples(SIZES, SIZES),
    channels=st.integers(1, 4),
    filters=st.integers(1, 4),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same"]),
    seed=st.integers(0, 99),
)
def test_convolution_is_that_of_keras(
    batch, size, channels, filters, kernel, strides, padding, seed
):
    assume(padding == "same" or all(n >= k for n, k in zip(size, kernel, strict=True)))
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, *size, channels)).astype("float32")
    weights = rng.normal(size=(*kernel, channels, filters)).astype("float32")
    bias = rng.normal(size=filters).astype("float32")
    layer = keras.layers.Conv2D(filters, kernel, strides, padding)
    layer.build(x.shape)
    layer.set_weights([weights, bias])
    theirs = keras.ops.convert_to_numpy(layer(x))
    ours = conv2d(x, weights, bias, strides, padding)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=1e-5)


@unhurried
@given(
    shape=st.tuples(st.integers(1, 3), SIZES, SIZES, st.integers(1, 3)),
    size=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_pooling_is_that_of_keras(shape, size, seed):
    assume(min(shape[1:3]) >= size)
    x = np.random.default_rng(seed).normal(size=shape).astype("float32")
    theirs = keras.ops.convert_to_numpy(keras.layers.MaxPooling2D(size)(x))
    np.testing.assert_array_equal(max_pool(x, size), theirs)


def test_a_kernel_with_one_weight_shifts_the_picture():
    x = np.arange(12.0).reshape(1, 3, 4, 1)
    kernel = np.zeros((1, 2, 1, 1))
    kernel[0, 1] = 1  # reads the right one of two neighbours
    np.testing.assert_array_equal(conv2d(x, kernel)[..., 0], x[:, :, 1:, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: conv2d(x, np.ones((2, 2, 1, 1))), "3 channels and the kernel reads 1"),
        (lambda x: conv2d(x, np.ones((9, 2, 3, 1))), "9 × 2 does not fit .* 4 × 5"),
        (lambda x: conv2d(x, np.ones((2, 2, 3, 1)), padding="full"), "'valid' or 'same'"),
        (lambda x: max_pool(x, 5), "5 × 5 does not fit"),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(TutorialError, match=message):
        call(np.zeros((1, 4, 5, 3)))


@unhurried
@given(rows=st.integers(3, 30), width=st.integers(2, 12), data=st.data(), seed=st.integers(0, 99))
def test_pca_is_that_of_scikit_learn(rows, width, data, seed):
    n = data.draw(st.integers(1, min(rows - 1, width)))  # the last of `rows` is noise for both
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, width)) * rng.uniform(0.5, 3, size=width) + rng.normal(size=width)
    ours, theirs = fit_pca(x, n), PCA(n, svd_solver="full").fit(x)
    np.testing.assert_allclose(ours.share, theirs.explained_variance_ratio_, atol=1e-5)
    np.testing.assert_allclose(ours.encode(x), theirs.transform(x), atol=1e-5)
    unseen = rng.normal(size=(4, width))
    np.testing.assert_allclose(ours.encode(unseen), theirs.transform(unseen), atol=1e-5)


def test_pca_finds_the_one_direction_that_varies():
    line = np.linspace(-1, 1, 9)[:, None] * [3, -4] + [7, 7]
    pca = fit_pca(line, 2)
    np.testing.assert_allclose(pca.directions[0], [-0.6, 0.8], atol=1e-12)
    np.testing.assert_allclose(pca.share, [1, 0], atol=1e-12)


@pytest.mark.parametrize("n", [0, 4])
def test_pca_refuses_more_directions_than_there_are(n):
    with pytest.raises(TutorialError, match="choose from 1 to 3"):
        fit_pca(np.eye(5)[:, :3], n)


def test_pca_refuses_rows_that_are_all_the_same():
    with pytest.raises(TutorialError, match="nothing that varies"):
        fit_pca(np.ones((5, 3)), 1)


@pytest.mark.parametrize("name", sorted(IMAGE_ENCODERS))
def test_every_encoder_takes_photos_to_vectors(name):
    features = make_image_encoder(name, dim=16).predict(some_photos(), verbose=0)
    assert features.shape == (3, 16)
    assert np.isfinite(features).all() and np.ptp(features, axis=0).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(IMAGE_ENCODERS))
def test_every_encoder_is_the_same_after_saving_and_loading(name, tmp_path):
    model = make_image_encoder(name, dim=8)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    photos = some_photos()
    same = model.predict(photos, verbose=0), loaded.predict(photos, verbose=0)
    np.testing.assert_allclose(*same, atol=1e-6)


def every_layer(model):
    for layer in model.layers:
        yield layer
        yield from every_layer(layer) if hasattr(layer, "layers") else ()


@pytest.mark.parametrize("name", ["cnn", "residual", "resnet"])
def test_batch_normalisation_keeps_up_with_a_short_training(name):
    kinds = keras.layers.BatchNormalization
    norms = [e for e in every_layer(make_image_encoder(name, dim=8)) if isinstance(e, kinds)]
    assert norms and {norm.momentum for norm in norms} == {0.9}


def test_a_silent_residual_block_lets_its_input_pass():
    model = make_image_encoder("residual", dim=8)
    for step in (1, 2):  # gamma and beta of the last normalisation: the block adds nothing
        norm = model.get_layer(f"block_{step}_norm_2")
        norm.gamma.assign(np.zeros(norm.gamma.shape))
    short = model.get_layer("block_1_norm_short").output
    after = model.get_layer("block_1_relu_2").output
    passed, out = keras.Model(model.input, [short, after]).predict(some_photos(), verbose=0)
    np.testing.assert_allclose(out, np.maximum(passed, 0), atol=1e-6)


def test_an_unknown_encoder_lists_the_known_ones():
    with pytest.raises(TutorialError, match=r"no image encoder 'vit'.*cnn"):
        make_image_encoder("vit")


def tiny_backbone(**options):
    import keras_hub

    return keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        **options,
    )


def features_of(model, photos, scale, offset):
    """What the weights of a preset make of the photos, without the encoder around it."""
    return model.predict(photos * np.float32(scale) + np.float32(offset), verbose=0)


def before_projection(encoder, photos):
    average = encoder.get_layer("average")
    return keras.Model(encoder.input, average.input).predict(photos, verbose=0)


def test_a_preset_that_was_saved_alone(tmp_path):
    backbone = tiny_backbone()
    backbone.save_to_preset(tmp_path)
    encoder = make_image_encoder(f"resnet:{tmp_path}", 8)
    photos = some_photos()
    assert encoder.predict(photos, verbose=0).shape == (3, 8)
    theirs = features_of(backbone, photos, 1 / 127.5, -1)
    np.testing.assert_allclose(before_projection(encoder, photos), theirs, atol=1e-4)
    encoder.save(tmp_path / "encoder.keras")  # and it needs the preset no more
    loaded = keras.saving.load_model(tmp_path / "encoder.keras", compile=False)
    assert loaded.count_params() == encoder.count_params()


def test_a_preset_says_how_its_photos_are_scaled(tmp_path):
    import keras_hub

    backbone = tiny_backbone()
    scale, offset = [0.01, 0.02, 0.03], [-1.0, -2.0, -3.0]
    backbone.save_to_preset(tmp_path)
    keras_hub.layers.ResNetImageConverter(scale=scale, offset=offset).save_to_preset(tmp_path)
    encoder = resnet_encoder(8, preset=tmp_path)
    photos = some_photos()
    theirs = features_of(backbone, photos, scale, offset)
    np.testing.assert_allclose(before_projection(encoder, photos), theirs, atol=1e-4)


def test_a_preset_for_photos_of_one_size_only(tmp_path):
    tiny_backbone(image_shape=(32, 48, 3)).save_to_preset(tmp_path)
    encoder = resnet_encoder(8, preset=tmp_path)
    assert encoder.get_layer("resize").output.shape == (None, 32, 48, 3)
    assert encoder.predict(some_photos(), verbose=0).shape == (3, 8)


def test_a_preset_of_another_kind_is_refused(tmp_path):
    import keras_hub

    keras_hub.models.BertBackbone(50, 1, 1, 8, 16, max_sequence_length=8).save_to_preset(tmp_path)
    with pytest.raises(TutorialError, match="BertBackbone, which reads no photos"):
        resnet_encoder(8, preset=tmp_path)


def test_a_folder_without_a_preset(tmp_path):
    with pytest.raises(TutorialError, match="that folder holds no preset: save_to_preset"):
        resnet_encoder(8, preset=tmp_path)


def test_a_preset_nobody_knows():
    with pytest.raises(TutorialError, match=r"'resnet_9000' could not be loaded .*check the name"):
        resnet_encoder(8, preset="resnet_9000")


def test_a_preset_that_cannot_be_downloaded(monkeypatch):
    import kagglehub

    def offline(*_args, **_kwargs):
        raise ConnectionError("Max retries exceeded\nmuch more")

    monkeypatch.setattr(kagglehub, "model_download", offline)
    with pytest.raises(TutorialError, match=r"ConnectionError: Max retries exceeded\).*offline"):
        resnet_encoder(8, preset="resnet_18_imagenet")
