"""Pictures that lessons share: galleries, curves, heat maps. Each returns its figure or axes.

In a notebook, importing this module makes every figure sharp: two pixels for each one of its size.
"""

import sys
import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

if "ipykernel" in sys.modules:
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    set_matplotlib_formats("retina")


def gallery(photos, titles=None, columns=8, marks=None, width=1.15):
    """A contact sheet of product photos.

    ``photos``: ``(n, height, width, 3) uint8``; ``titles``: n short texts or None; ``marks``:
    n colours (or None in a place), drawn as a frame: lessons use green for a relevant product.
    Returns the figure.
    """
    photos = np.asarray(photos)
    if len(photos) == 0:
        raise ValueError("gallery needs at least one photo")
    letters = round(15 * width)  # in a line, so that neighbours do not run into each other
    titles = [_wrap(title, letters) for title in ([] if titles is None else titles)]
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    columns = min(columns, len(photos))
    rows = -(-len(photos) // columns)
    height = width * 4 / 3 + 0.08 + 0.125 * lines
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * width, rows * height), squeeze=False, layout="constrained"
    )
    for place, axis in enumerate(axes.flat):
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_frame_on(False)
        if place >= len(photos):
            continue
        axis.imshow(photos[place])
        if titles:
            axis.set_title(titles[place], fontsize=7)
        if marks is not None and marks[place]:
            axis.set_frame_on(True)
            for spine in axis.spines.values():
                spine.set(color=marks[place], linewidth=2.5)
    return figure


def _wrap(title, letters):
    return "\n".join(textwrap.wrap(str(title), letters, max_lines=5, placeholder=" …"))


def curve(series, x=None, xlabel="", ylabel="", axis=None):
    """One line for each entry of ``series`` (name → n values), with a legend. Returns the axes."""
    axis = axis or plt.subplots(figsize=(5.2, 3), layout="constrained")[1]
    for name, values in series.items():
        places = np.arange(1, len(values) + 1) if x is None else x
        axis.plot(places, values, marker="o", markersize=3, label=name)
    if x is None:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.grid(alpha=0.3)
    if len(series) > 1:
        axis.legend(frameon=False)
    return axis


def bars(values, xlabel="", axis=None, chance=None):
    """Horizontal bars of ``values`` (name → number), best read top down. Returns the axes.

    ``chance`` draws a dashed line: a bar that does not pass it shows nothing.
    """
    axis = axis or plt.subplots(figsize=(5.2, 0.5 + 0.36 * len(values)), layout="constrained")[1]
    names = list(values)
    drawn = axis.barh(names, [values[name] for name in names], color="#4878a8")
    axis.bar_label(drawn, fmt="%.3f", padding=3, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel(xlabel)
    axis.margins(x=0.15)
    axis.spines[["top", "right"]].set_visible(False)
    if chance is not None:
        axis.axvline(chance, color="#b04040", linestyle="--", linewidth=1)
        axis.set_xlabel(f"{xlabel} (dashed: chance, {chance:.2g})")
    return axis


def intervals(values, low, high, xlabel="", axis=None):
    """A dot with its interval for each entry of ``values`` (a Series: name → number), top down.

    ``low``, ``high``: the ends, same names. A dashed line marks zero: an interval that crosses it
    leaves the question open. Returns the axes.
    """
    axis = axis or plt.subplots(figsize=(5.6, 0.8 + 0.36 * len(values)), layout="constrained")[1]
    for place, name in enumerate(values.index):
        axis.plot([low[name], high[name]], [place, place], color="#4878a8", linewidth=2.5)
        axis.plot(values[name], place, marker="o", color="#4878a8")
    axis.axvline(0, color="#b04040", linestyle="--", linewidth=1)
    axis.set_yticks(range(len(values)), list(values.index))
    axis.set_ylim(len(values) - 0.5, -0.5)
    axis.xaxis.set_major_locator(MaxNLocator(6))  # or small steps run into each other
    axis.set_xlabel(xlabel)
    axis.spines[["top", "right"]].set_visible(False)
    return axis
