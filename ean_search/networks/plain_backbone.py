"""Builds the plain backbone of a space, for images of the space's size.

Vision transformers and their like are built for one image size. Those of timm that take `img_size`
are built for the size of the space; an error for a size that does not work names sizes that do.
"""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import islice
from typing import Any

import timm
import torch
from timm.models import get_pretrained_cfg, get_pretrained_cfg_value, is_model
from torch import nn

import ean_search.networks.backbones.t2t_vit  # noqa: F401  # timm knows its models then
from ean_search.core.live_names import is_live
from ean_search.core.space import Space
from ean_search.networks.backbones.registry import BACKBONES
from ean_search.networks.example import Example
from ean_search.networks.live import find_live
from ean_search.utils.errors import UserError, describe_crash, unknown_name
from ean_search.utils.registry import call_plugin, lookup
from ean_search.utils.trust import refuse_foreign

MAX_SIZES_TRIED = 8  # to find some that work
MAX_SIZES_NAMED = 3
# By which timm would read files that a space has no business to name.
FILE_ARGUMENTS = {"checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay"}
USUAL_STRIDES = (16, 32)  # in pixels: what most backbones divide their images into


def make_backbone(space: Space, classes: int) -> nn.Module:
    """Build the plain backbone of a space.

    Args:
        space: The space. A timm model of a fixed image size is built for `space.image_size`, unless
            its arguments name an `img_size`.
        classes: The number of classes; `num_classes` of `backbone_args` takes precedence.

    Raises:
        UserError: If there is no such backbone, or it does not take the arguments or the size.
    """
    name, args = space.backbone, {"num_classes": classes, **space.backbone_args}
    refuse_foreign([name])
    if is_live(name):
        return copy.deepcopy(find_live(name).module)
    if not _is_timm(name):
        return _make_own(name, args)
    if loading := FILE_ARGUMENTS & set(args):
        raise UserError(
            f"backbone_args: {min(loading)} would read a file; weights come by --pretrained FILE"
        )
    if not is_model(name.split(".")[0]) and ":" not in name:
        raise unknown_name("backbone", name, [*timm.list_models(), *BACKBONES])
    args |= size_arguments(space)
    try:
        return timm.create_model(name, **args)
    except (TypeError, RuntimeError, AssertionError) as error:
        raise UserError(f"backbone {name!r} cannot be built with {args}: {error}") from error


def image_channels(backbone_args: dict[str, Any]) -> int:
    """Return the number of channels of the images that a backbone with these arguments takes."""
    return int(backbone_args.get("in_chans", 3))


def blank_example(space: Space) -> Example:
    """Return what a network of the space takes: one black image, or the user's own example."""
    if is_live(space.backbone):
        return find_live(space.backbone).example
    channels = image_channels(space.backbone_args)
    return Example.of(torch.zeros(1, channels, space.image_size, space.image_size))


def _make_own(name: str, args: dict[str, Any]) -> nn.Module:
    """Make a backbone that is not timm's."""
    make = lookup(name, BACKBONES, "backbone")
    if isinstance(make, type) and not issubclass(make, nn.Module):
        raise UserError(f"{name!r} is no backbone: expected torch modules, got {make!r}")
    backbone = call_plugin(make, "backbone", name, **args)
    if not isinstance(backbone, nn.Module):
        got = type(backbone).__name__
        raise UserError(f"{name!r} is no backbone: it returned a {got}, not a torch module")
    return backbone


def size_arguments(space: Space) -> dict[str, int]:
    """Return the arguments by which timm builds a backbone for the space's image size.

    Returns:
        `img_size`, and a `window_size` where windows of the usual size would need padding; nothing
        where the backbone takes the size anyway.

    Raises:
        UserError: If the backbone has a fixed image size and cannot be built for this one.
    """
    own_size = _own_size(space.backbone)
    if own_size in (None, space.image_size) or "img_size" in space.backbone_args:
        return {}
    args = json.dumps(space.backbone_args, sort_keys=True)
    return dict(_find_size_arguments(space.backbone, args, space.image_size))


@contextmanager
def image_size_explained(space: Space) -> Iterator[None]:
    """Make a backbone's own errors at images of the space's size errors that users can mend."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # backbones fail at a size in as many ways as there are backbones
        raise _size_error(space.backbone, space.backbone_args, space.image_size, error) from error


def _is_timm(backbone: str) -> bool:
    return (
        backbone not in BACKBONES
        and not is_live(backbone)
        and (":" not in backbone or backbone.startswith(("hf-hub:", "local-dir:")))
    )


def _own_size(backbone: str) -> int | None:
    """Return the fixed image size of a timm model; None for others, and where it is not fixed."""
    if not _is_timm(backbone) or not is_model(backbone.split(".")[0]):
        return None
    try:
        known = get_pretrained_cfg(backbone)
    except RuntimeError:  # no such tag; timm says so again when the model is made
        return None
    return known.input_size[-1] if known is not None and known.fixed_input_size else None


@lru_cache(maxsize=64)
def _find_size_arguments(backbone: str, args_json: str, size: int) -> tuple[tuple[str, int], ...]:
    args = json.loads(args_json)
    try:
        model = _build_shapes(backbone, args)
    except Exception:  # the arguments are wrong whatever the size: `make_backbone` says so
        return ()
    with suppress(Exception):  # raised if the size is fixed indeed
        _pass_shapes(model, args, size)
        return ()
    sized = {"img_size": size}
    try:
        model = _try_size(backbone, args | sized, size)
    except Exception as error:
        raise _size_error(backbone, args, size, error) from error
    window = None if "window_size" in args else _fitting_window(model)
    if window is not None:
        with suppress(Exception):  # not every model of windows takes their size as one number
            _try_size(backbone, args | sized | {"window_size": window}, size)
            sized["window_size"] = window
    return tuple(sized.items())


def _fitting_window(model: nn.Module) -> int | None:
    """Return the largest window without padding; None if there is none, or the model's fit."""
    blocks: list[Any] = [m for m in model.modules() if hasattr(m, "input_resolution")]
    windows = [
        (_pair(b.input_resolution), b.window_size) for b in blocks if hasattr(b, "window_size")
    ]
    sides = {side for sides, _ in windows for side in sides}
    largest = max((max(_pair(window)) for _, window in windows), default=0)
    if all(a % b == 0 for s, w in windows for a, b in zip(s, _pair(w), strict=True)):
        return None
    fitting = (w for w in range(largest, 1, -1) if all(side % min(w, side) == 0 for side in sides))
    return next(fitting, None)


def _try_size(backbone: str, args: dict[str, Any], size: int) -> nn.Module:
    """Pass shapes of images of a size; raises whatever the backbone does if it cannot take them."""
    model = _build_shapes(backbone, args)
    if "img_size" in args:
        _check_patches(model)
    _pass_shapes(model, args, size)
    return model


def _build_shapes(backbone: str, args: dict[str, Any]) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model(backbone, **{"num_classes": 2, **args}).eval()


def _pass_shapes(model: nn.Module, args: dict[str, Any], size: int) -> None:
    with torch.device("meta"), torch.no_grad():
        model(torch.empty(1, image_channels(args), size, size))


def _check_patches(model: nn.Module) -> None:
    """Refuse images of which a row of pixels would be left over."""
    for module in model.modules():
        sizes, patches = getattr(module, "img_size", None), getattr(module, "patch_size", None)
        if sizes is None or patches is None or getattr(module, "dynamic_img_pad", False):
            continue
        pairs = zip(_pair(sizes), _pair(patches), strict=True)
        for size, patch in pairs:
            if size % patch:
                raise UserError(f"its patches of {patch} px do not divide {size} px")


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _size_error(backbone: str, args: dict[str, Any], size: int, error: Exception) -> UserError:
    reason = str(error) if isinstance(error, UserError) else describe_crash(error)
    text = f"backbone {backbone!r} does not take images of {size} x {size} px: {reason}"
    if "img_size" in args:
        return UserError(f"{text}; without img_size in backbone_args, the image size sets it")
    sizes = list(islice(_sizes_that_work(backbone, args, size), MAX_SIZES_NAMED))
    if not sizes:
        return UserError(text)
    return UserError(f"{text}; sizes that work: {', '.join(map(str, sorted(sizes)))}")


def _sizes_that_work(backbone: str, args: dict[str, Any], size: int) -> Iterator[int]:
    """Try a timm model at sizes near one, then at its own."""
    if not _is_timm(backbone) or not is_model(backbone.split(".")[0]):
        return
    model_size = get_pretrained_cfg_value(backbone, "input_size")
    near: set[int] = set()
    for stride in (*USUAL_STRIDES, *_patch_sizes(backbone, args)):
        near |= {size // stride * stride + steps * stride for steps in (-1, 0, 1, 2)}
    candidates = sorted((s for s in near if s > 0 and s != size), key=lambda s: abs(s - size))
    own = [model_size[-1]] if model_size and model_size[-1] != size else []
    for candidate in dict.fromkeys([*own, *candidates[:MAX_SIZES_TRIED]]):
        for sized in ({}, {"img_size": candidate}):
            try:
                _try_size(backbone, args | sized, candidate)
            except Exception:  # this size does not work either
                continue
            yield candidate
            break


def _patch_sizes(backbone: str, args: dict[str, Any]) -> set[int]:
    """Return the sizes of the patches into which a timm model cuts images."""
    try:
        model = _build_shapes(backbone, args)
    except Exception:  # what is wrong with the arguments was said already
        return set()
    found = (getattr(m, "patch_size", None) for m in model.modules() if hasattr(m, "img_size"))
    return {_pair(patch)[0] for patch in found if patch is not None}
