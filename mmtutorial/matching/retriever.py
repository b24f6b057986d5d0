"""A trained dual encoder, to embed photos and texts with (lessons 00, 06)."""

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from filelock import FileLock
from keras import layers, ops

from mmtutorial import TutorialError
from mmtutorial.arguments import check_whole
from mmtutorial.catalogue.cleaning import normalise_title
from mmtutorial.catalogue.groups import title_groups
from mmtutorial.devices import computing_in
from mmtutorial.encoders.bert import MeanBert
from mmtutorial.encoders.images import IMAGE_ENCODERS, make_image_encoder
from mmtutorial.encoders.text import TEXT_ENCODERS, fit_text_encoder, load_tokeniser, save_tokeniser
from mmtutorial.encoders.tokenisers import words
from mmtutorial.files import (
    DamagedFile,
    checkpoint_key,
    intact,
    read_json,
    writing,
)
from mmtutorial.matching.contrastive import DualEncoder
from mmtutorial.matching.training import (
    ELSEWHERE,
    RANGES,
    pair_batches,
    refresh_batch_statistics,
    train,
)
from mmtutorial.metrics.similarity import unit_length
from mmtutorial.paths import ROOT, cache_home

KIND = "dual encoder"  # in config.json, for ``load``
VERSION = 3  # of the files of a checkpoint: raise it when they change
AGAIN = "fetch the model again, or train it again and save it there"


class Retriever:
    """A trained ``DualEncoder`` with its tokeniser: photos and texts in, unit vectors out.

    ``log`` is its training log, empty if none is given; ``loaded`` says whether it came from a
    checkpoint. Used from lesson 00 on.

    Every retriever has this face: ``embed_photos``, ``embed_texts``, ``tokeniser`` and ``save``,
    which ``load`` reads. One that names attributes, ``AttributeRetriever``, has
    ``attributes_of_photos`` and ``attributes_of_texts`` too.
    """

    def __init__(self, model, tokeniser, log=None, loaded=False):
        self.model, self.tokeniser = model, tokeniser
        self.log = pd.DataFrame({"epoch": [], "loss": []}) if log is None else log
        self.loaded = loaded

    def embed_photos(self, photos, block=2048):
        """``(n, 80, 60, 3)`` uint8 → ``(n, dim)`` float32 of unit length."""
        encoder = self.model.image_encoder
        if len(photos) == 1:  # a shopper waits, and predict prepares for many batches
            return unit_length(encoder.predict_on_batch(np.asarray(photos)))
        parts = [
            encoder.predict(np.asarray(photos[start : start + block]), batch_size=256, verbose=0)
            for start in range(0, len(photos), block)
        ]
        return unit_length(np.concatenate(parts))

    def embed_texts(self, texts):
        """n texts → ``(n, dim)`` float32 of unit length."""
        tokens = self.tokeniser.encode(list(texts))
        encoder = self.model.text_encoder
        if len(tokens) == 1:  # as a photo
            return unit_length(encoder.predict_on_batch(tokens))
        return unit_length(encoder.predict(tokens, batch_size=256, verbose=0))

    def save(self, folder):
        """Write the files that ``load`` reads into ``folder``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        config = json.dumps({"kind": KIND, "version": VERSION})
        (folder / "config.json").write_text(config, encoding="utf-8")
        self.model.save(folder / "model.keras")
        save_tokeniser(self.tokeniser, folder / "vocabulary.json")
        self.log.to_csv(folder / "log.csv", index=False)


def load(name):
    """The retriever in a folder that its ``save`` wrote, or the one of that name in ``models/``.

    What kind it is says the folder's ``config.json``. No code of a file is run, not even a
    ``Lambda`` layer's, and nothing is unpickled. Used from lesson 00 on.

    Raises ``TutorialError`` if there is none; the message lists those in ``models/``. Also where a
    file is missing, damaged, of another version or not finite, where the files do not belong
    together, or where the list of what the model was trained on is cut.
    """
    shipped = ROOT / "models"
    folder = next(
        (each for each in (shipped / name, Path(name)) if (each / "config.json").exists()), None
    )
    if folder is None:
        known = sorted(file.parent.name for file in shipped.glob("*/config.json"))
        raise TutorialError(
            f"no model {str(name)!r}: it is no folder with a config.json, and none of those in "
            f"models/ ({', '.join(known) or 'there are none'}); mmtutorial benchmark trains one"
        )
    from mmtutorial.matching import attribute_retriever

    kinds = {KIND: _read, attribute_retriever.KIND: attribute_retriever.read_retriever}
    config = read_json(folder / "config.json", AGAIN)
    kind = config.get("kind", attribute_retriever.KIND)
    with intact(folder / "config.json", AGAIN):
        if kind not in kinds:
            raise ValueError(f"no retriever of kind {kind!r}; there are {', '.join(kinds)}")
    return kinds[kind](folder)


def _read(folder):
    """The ``Retriever`` in a folder."""
    config = read_json(folder / "config.json", AGAIN, {"kind": str, "version": int})
    with intact(folder / "config.json", AGAIN):
        if config["version"] != VERSION:
            raise ValueError(f"it is of version {config['version']}, and {VERSION} is read here")
    tokeniser = load_tokeniser(folder / "vocabulary.json", AGAIN)
    with intact(folder / "model.keras", AGAIN):
        with zipfile.ZipFile(folder / "model.keras") as archive:  # Keras says "not found" here
            if archive.testzip() is not None:
                raise ValueError(f"{archive.testzip()} in it is damaged")
        # compile=False: an optimizer saved by one backend does not load in another.
        model = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
        _check_model(model, tokeniser)
    with intact(folder / "log.csv", AGAIN):
        log = pd.read_csv(folder / "log.csv")
    return Retriever(model, tokeniser, log, loaded=True)


def _check_model(model, tokeniser):
    if not isinstance(model, DualEncoder):
        raise ValueError(f"it holds a {type(model).__name__} and not a DualEncoder")
    for weight in model.weights:
        if not np.isfinite(ops.convert_to_numpy(weight)).all():
            raise ValueError(f"the weight {weight.path} is not finite")
    tables = [e.input_dim for e in model.text_encoder.layers if isinstance(e, layers.Embedding)]
    if tables and len(tokeniser) > max(tables):
        raise ValueError(
            f"it reads {max(tables):,} words, and vocabulary.json has {len(tokeniser):,}"
        )


def train_or_load(
    train_part,
    validation_part,
    *,
    epochs,
    batch_size=256,
    learning_rate=1e-3,
    dim=128,
    seed=0,
    image_encoder="cnn",
    text_encoder="lstm",
    precision="auto",
):
    """A ``Retriever`` trained on one part of a catalogue, or its checkpoint where there is one.

    The checkpoint is kept under the cache folder by everything that shaped it: the products,
    the settings, the code that builds and trains it. An interrupted training is resumed.
    ``precision`` is one of ``devices.PRECISIONS``, ``image_encoder`` a name of ``IMAGE_ENCODERS``
    (lesson 03), ``text_encoder`` one of ``TEXT_ENCODERS`` (lesson 05); ``"resnet:PRESET"`` and
    ``"bert:PRESET"`` begin with pretrained weights, by a preset's name or folder. Used from
    lesson 00 on; lesson 06 writes it out.

    A damaged checkpoint is moved aside, and the model is trained again. Raises ``TutorialError``
    for an encoder that is not there, a setting out of its range, a full disk, and as ``train``.
    """
    if not 0 < learning_rate <= 100:  # so NaN is none either
        raise TutorialError(f"LEARNING_RATE is {learning_rate}: choose a number from 0 to 100")
    for name, known in ((image_encoder, IMAGE_ENCODERS), (text_encoder, TEXT_ENCODERS)):
        if name.partition(":")[0] not in known:
            raise TutorialError(f"no encoder {name!r}; choose one of {sorted(known)}")
    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "dim": dim,
        "seed": seed,
        "image_encoder": image_encoder,
        "text_encoder": text_encoder,
        "precision": precision,
    }
    for name, (low, high) in RANGES.items():
        check_whole(low=low, high=high, **{name.upper(): settings[name]})
    home = cache_home() / "models" / _key(train_part, validation_part, settings)
    unfinished = home.with_suffix(".unfinished")
    with writing(home.parent, ELSEWHERE, unfinished / "state.npz"):
        home.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{home}.lock"):  # two lessons at once: the second waits, then loads
            if home.exists():
                try:
                    return load(home)
                except DamagedFile as fault:
                    _move_aside(home, fault)
            retriever = _train_new(train_part, validation_part, unfinished, settings)
            retriever.save(unfinished)
            (unfinished / "settings.json").write_text(json.dumps(settings))
            os.replace(unfinished, home)  # all or nothing
            (home / "state.npz").unlink(missing_ok=True)  # three times the model, and of no use now
    return retriever


def _move_aside(home, fault):
    """Keep a damaged checkpoint, in case that the fault is not the file's, but out of the way."""
    aside = home.with_suffix(".damaged")
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(home, aside)
    print(f"{fault}. It is now in {aside}; training starts again", flush=True)


def _train_new(train_part, validation_part, folder, settings):
    keras.utils.set_random_seed(settings["seed"])
    with computing_in(settings["precision"]):
        image_encoder = make_image_encoder(settings["image_encoder"], settings["dim"])
        tokeniser, text_encoder = fit_text_encoder(
            settings["text_encoder"], train_part.table["title"], settings["dim"]
        )
        model = DualEncoder(image_encoder, text_encoder)
        size = settings["batch_size"]
        batches = pair_batches(train_part, tokeniser, size, settings["seed"])
        validation = pair_batches(validation_part, tokeniser, size)
        log = train(
            model, batches, settings["epochs"], settings["learning_rate"], folder, validation
        )
        refresh_batch_statistics(model.image_encoder, batches)
    return Retriever(model, tokeniser, log)


# Whatever a checkpoint depends on stands in the modules of these, wherever they lie.
_SHAPES = (
    Retriever, DualEncoder, train, make_image_encoder, fit_text_encoder, words, MeanBert,
    title_groups, normalise_title,
)  # fmt: skip


def _key(train_part, validation_part, settings):
    """The name of a checkpoint: of its data and settings, and of the code that shapes it.

    That is this module, those of training, the encoders, the tokenisers and the normalisation of
    titles, and the source of an encoder of one's own; what that calls is not looked at.
    """
    image_name, _, image_preset = settings["image_encoder"].partition(":")
    text_name, _, text_preset = settings["text_encoder"].partition(":")
    modules = {sys.modules[each.__module__] for each in _SHAPES}
    code = [
        *sorted(modules, key=lambda module: module.__name__),
        IMAGE_ENCODERS[image_name],
        *TEXT_ENCODERS[text_name],
    ]
    data = []
    for preset in filter(None, (image_preset, text_preset)):  # a folder's files; a name has none
        files = sorted(file for file in Path(preset).rglob("*") if file.is_file())
        data += [file.read_bytes() for file in files]
    for part in (train_part, validation_part):
        data += [*part.table["id"], *part.table["title"], part.photos]
    return checkpoint_key(VERSION, [settings, keras.backend.backend()], data, code)
