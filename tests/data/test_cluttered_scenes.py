import numpy as np
import torch

from ean_search.data.cluttered import ClutteredOptions, generate
from ean_search.data.cluttered_scenes import load_scene_splits, load_scenes

PLAIN_OPTIONS = ClutteredOptions(train=40, test=20, clutter=0, noise=0.0, tint=0.0)


def test_scenes_show_the_canvases_of_classification():
    options = ClutteredOptions(train=1040, test=20)
    drawn = generate(options, 32, 3)
    train, test = load_scenes(options, 32, 3)
    assert np.array_equal(train.images.numpy(), drawn["train_images"])
    assert np.array_equal(test.images.numpy(), drawn["test_images"])
    assert np.array_equal(train.boxes[:, 0, 4].numpy() - 1, drawn["train_labels"])


def test_boxes_frame_the_pixels_of_the_masks():
    train, _ = load_scenes(PLAIN_OPTIONS, 48, 0)
    for boxes, mask in zip(train.boxes, train.masks, strict=True):
        left, top, right, bottom, label = boxes[-1].long().tolist()  # nothing covers the last
        rows, columns = torch.nonzero(mask == label, as_tuple=True)
        assert (columns.min(), columns.max() + 1) == (left, right)
        assert (rows.min(), rows.max() + 1) == (top, bottom)
        assert set(mask.unique().tolist()) <= {0, *boxes[:, 4].long().tolist()}


def test_masks_leave_the_background_out():
    train, _ = load_scenes(PLAIN_OPTIONS, 48, 0)
    background = (train.images.float() - 127.5).abs().amax(1) < 2
    assert not (background & (train.masks > 0)).any()
    assert train.split("masks").labels.shape == (40, 48, 48)


def test_splits_have_the_labels_that_were_asked_for():
    drawn = load_scenes(PLAIN_OPTIONS, 48, 0)
    for labels in ("boxes", "masks"):
        splits = load_scene_splits(labels, PLAIN_OPTIONS, 48, 0)
        for split, scenes in zip(splits, drawn, strict=True):
            assert torch.equal(split.labels, getattr(scenes, labels))
