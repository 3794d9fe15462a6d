"""Pictures of where networks look."""

import numpy as np
import pandas as pd

from ean_search.analysis.grad_cam_picture import plot_maps


def test_maps_say_what_each_network_answers():
    images, heat = np.zeros((2, 4, 4, 3)), np.ones((2, 4, 4))
    answers = pd.DataFrame({"network": ["none", "none"], "image": [0, 1], "answer": [3, 5]})
    figure = plot_maps(images, [3, 4], {"none": heat}, answers.assign(probability=[0.9, 0.1]))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == "label 3"
    assert titles[1] == "none\nsays 3\nlabel at 0.90"
    assert titles[3] == "says 5, wrong\nlabel at 0.10"
