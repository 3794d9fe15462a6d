"""Pictures of where networks look: images beside the Grad-CAM maps of placements."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ean_search.analysis.palette import INK


def plot_maps(
    images: np.ndarray,
    labels: Sequence[int],
    maps: Mapping[str, np.ndarray],
    answers: pd.DataFrame,
    *,
    title: str = "",
) -> Figure:
    """Draw one row per image: the image, and what each network looks at in it, with its answer.

    Args:
        images: (images, height, width, 3), in [0, 1].
        labels: The class of each image.
        maps: A heat map per image, (images, height, width) in [0, 1], by the network's name.
        answers: One row per network and image: `network`, `image` (its number), `answer` (the
            predicted class), `probability` (of the label) and, if it is known, `evidence`: whether
            the map is not 0 everywhere.
        title: The title of the figure.
    """
    size = (1.9 * (len(maps) + 1), 0.6 + 2.1 * len(images))
    figure = Figure(figsize=size, layout="constrained", dpi=100)
    panels = figure.subplots(len(images), len(maps) + 1, squeeze=False)
    rows = answers.to_dict("records")
    answer_of = {(row["network"], row["image"]): row for row in rows}
    for number, (line, image, label) in enumerate(zip(panels, images, labels, strict=True)):
        _draw_image(line[0], image, f"label {label}")
        for axes, (name, heat) in zip(line[1:], maps.items(), strict=True):
            text = _describe_answer(answer_of[name, number], label)
            _draw_image(axes, image, f"{name}\n{text}" if number == 0 else text)
            axes.imshow(heat[number], cmap="inferno", alpha=0.5, vmin=0, vmax=1)
    figure.suptitle(title, fontsize=9, color=INK)
    return figure


def _draw_image(axes: Axes, image: np.ndarray, title: str) -> None:
    axes.imshow(image)
    axes.set_title(title, fontsize=8)
    axes.axis("off")


def _describe_answer(row: Mapping[Any, Any], label: int) -> str:
    verdict = "" if row["answer"] == label else ", wrong"
    evidence = "" if row.get("evidence", True) else "; empty map:\nnothing speaks for the label"
    return f"says {row['answer']:.0f}{verdict}\nlabel at {row['probability']:.2f}{evidence}"
