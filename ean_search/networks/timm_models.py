"""Registers networks with a placement of attention as timm models, on import.

    import timm, ean_search.networks.timm_models
    timm.create_model("ean_resnet50", placement="100-1011-010011-011", attention="sge")

MODELS lists the names; `ean_model` takes any backbone. T2T-ViT, which timm has not, is known by its
own names, too. All arguments of timm hold: num_classes, in_chans, features_only, out_indices,
pretrained_cfg, and those of the backbone.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from timm.models import (
    PretrainedCfg,
    build_model_with_cfg,
    generate_default_cfgs,
    get_pretrained_cfg,
    is_model,
    register_model,
)
from timm.models._features import FeatureGetterNet, FeatureListNet  # under no public name
from torch import nn

from ean_search.core.plugins import space_plugins
from ean_search.core.space import Space, load_space, shipped_spaces
from ean_search.networks.builder import build, prune
from ean_search.networks.sites import probe
from ean_search.utils.config import parse_fields
from ean_search.utils.errors import UserError
from ean_search.utils.trust import mark_foreign, recorded_names, refuse_foreign, trusted_in_block

GENERIC_MODEL = "ean_model"  # of any backbone
MODELS = {
    "ean_resnet18": "resnet18_shared",
    "ean_resnet50": "resnet50_shared",
    "ean_resnext50_32x4d": "resnext50_shared",
    "ean_resnet164": "resnet164_shared",
    "ean_regnetx_002": "regnet_shared",
    "ean_efficientnet_b0": "efficientnet_b0_shared",
    "ean_t2t_vit_7": "t2t_vit_7_broad",
    "ean_t2t_vit_14": "t2t_vit_14_broad",
}
SPACE_FIELDS = (
    "backbone",
    "attention",
    "position",
    "sharing",
    "own_attention",
    "stage_length",
    "unit_gate",
    "image_size",
)


def make_network(
    space: str | None = None,
    *,
    placement: str = "all",
    num_classes: int = 1000,
    backbone_args: dict[str, Any] | None = None,
    pretrained_model_args: Any = None,
    **arguments: Any,
) -> nn.Module:
    """Build a pruned network.

    Args:
        space: The name of a shipped space or a file; None: a space with the attention `se` and the
            backbone that `backbone` names.
        placement: A placement, or the name of one of the space.
        num_classes: The number of classes.
        backbone_args: Arguments of the backbone, in place of those of the space.
        pretrained_model_args: Ignored; timm passes it to every model.
        **arguments: Fields of the space (SPACE_FIELDS); others are arguments of the backbone.

    Raises:
        UserError: If the network cannot be built, or the placement does not fit.
    """
    changes = {name: arguments.pop(name) for name in SPACE_FIELDS if name in arguments}
    if isinstance(arguments.get("img_size"), int):  # as timm calls the size of fixed backbones
        changes.setdefault("image_size", arguments["img_size"])
    if space is None:
        if "backbone" not in changes:
            raise UserError(f"{GENERIC_MODEL} needs a backbone, such as backbone='resnet26t'")
        start = parse_fields(
            Space, {"name": GENERIC_MODEL, "attention": "se", **changes}, GENERIC_MODEL
        )
    else:
        start = load_space(space, **changes)
    own = start.backbone_args if backbone_args is None else backbone_args
    # Another depth, or another attention, may have other sites.
    if {**own, **arguments} != start.backbone_args or changes:
        other = {"backbone_args": {**own, **arguments}, "stages": (), "placements": {}}
        start = start.model_copy(update=other)
    advice = "build it in a block `with ean_search.trusting({!r}):`"
    refuse_foreign(space_plugins(start), "this model", advice)
    probed = probe(start)
    return prune(build(probed, num_classes), probed.parse(placement), fold=False)


def make_feature_network(model: nn.Module, out_indices: Sequence[int] | None) -> nn.Module:
    """Wrap a network so that it returns a pyramid of maps.

    Args:
        model: A network with the attribute `feature_info` of timm.
        out_indices: The levels of the pyramid, from 0; None: all of them.

    Raises:
        UserError: If the network has no `feature_info`.
    """
    feature_info: Any = getattr(model, "feature_info", None)
    if feature_info is None:
        raise UserError(f"{type(model).__name__} has no feature_info: its maps cannot be told")
    indices = range(len(feature_info)) if out_indices is None else out_indices
    getter = hasattr(model, "forward_intermediates")
    return (FeatureGetterNet if getter else FeatureListNet)(model, tuple(indices))


def backbone_cfg(backbone: str) -> PretrainedCfg:
    """Return timm's configuration of a backbone: its images and its head, without its weights."""
    known = get_pretrained_cfg(backbone) if is_model(backbone.split(".")[0]) else None
    config = known or PretrainedCfg(first_conv="conv1", classifier="fc")
    return replace(config, url=None, file=None, hf_hub_id=None, architecture=None, tag=None)


def _make_entry_point(name: str, space: str | None) -> Callable[..., nn.Module]:
    """Return the function that timm calls to create a model."""
    make = make_network if space is None else partial(make_network, space)

    def create(
        pretrained: bool = False,
        pretrained_cfg: Any = None,
        pretrained_cfg_overlay: dict[str, Any] | None = None,
        cache_dir: Any = None,
        **arguments: Any,
    ) -> nn.Module:
        arguments |= _stored_arguments(arguments, pretrained_cfg)
        return build_model_with_cfg(
            make,
            name,
            pretrained,
            pretrained_cfg,
            pretrained_cfg_overlay,
            feature_cfg={"feature_cls": make_feature_network, "out_indices": None},
            cache_dir=cache_dir,
            kwargs_filter=("global_pool",),
            **arguments,
        )

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f"Build {space or 'any backbone'} with the attention of `placement`."
    return create


def _stored_arguments(arguments: dict[str, Any], pretrained_cfg: Any) -> dict[str, Any]:
    """Return the arguments that timm read from a file, with a stranger's plug-ins marked.

    timm gives them twice: among the arguments, and as `pretrained_model_args`.
    """
    given = arguments.get("pretrained_model_args") or {}
    stored = {key: value for key, value in given.items() if arguments.get(key) == value}
    if stored.get("space") not in (None, *shipped_spaces()):
        raise UserError(f"this model names a file of a space, {stored['space']!r}: not read")
    folder = pretrained_cfg.get("file") if isinstance(pretrained_cfg, dict) else None
    own = recorded_names(Path(folder)) if isinstance(folder, str) else frozenset[str]()
    marked: dict[str, Any] = mark_foreign(stored, trusted_in_block() | own)
    return marked


_configs: dict[str, PretrainedCfg | dict[str, Any]] = {
    name: backbone_cfg(load_space(space).backbone) for name, space in MODELS.items()
}
# timm reads this variable of the module of a model, and calls the model's function by its name.
default_cfgs = generate_default_cfgs({**_configs, GENERIC_MODEL: PretrainedCfg()})
for _name, _space in {**MODELS, GENERIC_MODEL: None}.items():
    globals()[_name] = register_model(_make_entry_point(_name, _space))
