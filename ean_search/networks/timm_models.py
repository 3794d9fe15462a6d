"""Registers networks with searched placements with timm; importing this module does it.

    import timm, ean_search.networks.timm_models
    timm.create_model("ean_resnet50", placement="100-1011-010011-011", attention="sge")

There is a name for every shipped space, and `ean_model` for any backbone. All of timm's arguments
hold: num_classes, in_chans, features_only, out_indices, pretrained_cfg, and the backbone's own.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
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

from ean_search.core.space import Space, load_space
from ean_search.networks.builder import build, prune
from ean_search.networks.sites import probe
from ean_search.utils.config import parse_fields
from ean_search.utils.errors import UserError

ANY = "ean_model"
MODELS = {
    "ean_resnet18": "resnet18_shared",
    "ean_resnet50": "resnet50_shared",
    "ean_resnext50_32x4d": "resnext50_shared",
    "ean_resnet164": "resnet164_shared",
    "ean_regnetx_002": "regnet_shared",
    "ean_efficientnet_b0": "efficientnet_b0_shared",
}
SPACE_FIELDS = ("backbone", "attention", "position", "sharing", "stage_length", "unit_gate")


def make_network(
    space: str | None = None,
    *,
    placement: str = "all",
    num_classes: int = 1000,
    backbone_args: dict[str, Any] | None = None,
    pretrained_model_args: Any = None,
    **arguments: Any,
) -> nn.Module:
    """Build a pruned network; what is no field of a space goes to the backbone."""
    changes = {name: arguments.pop(name) for name in SPACE_FIELDS if name in arguments}
    if space is None:
        if "backbone" not in changes:
            raise UserError(f"{ANY} needs a backbone, such as backbone='resnet26t'")
        start = parse_fields(Space, {"name": ANY, "attention": "se", **changes}, ANY)
    else:
        start = load_space(space, **changes)
    own = start.backbone_args if backbone_args is None else backbone_args
    # Another depth, or another attention, may have other sites.
    if {**own, **arguments} != start.backbone_args or changes:
        other = {"backbone_args": {**own, **arguments}, "stages": (), "placements": {}}
        start = start.model_copy(update=other)
    chosen = probe(start)
    return prune(build(chosen, num_classes), chosen.parse(placement))


def features(model: nn.Module, out_indices: Sequence[int] | None) -> nn.Module:
    """Wrapper a network so that it gives a pyramid of maps: all of its levels, or those named."""
    if not hasattr(model, "feature_info"):
        raise UserError(f"{type(model).__name__} has no feature_info: its maps cannot be told")
    indices = range(len(model.feature_info)) if out_indices is None else out_indices
    getter = hasattr(model, "forward_intermediates")
    return (FeatureGetterNet if getter else FeatureListNet)(model, tuple(indices))


def backbone_cfg(backbone: str) -> PretrainedCfg:
    """Return how a backbone takes its images and where its head is, without its weights."""
    known = get_pretrained_cfg(backbone) if is_model(backbone.split(".")[0]) else None
    nowhere = {"url": None, "file": None, "hf_hub_id": None, "architecture": None, "tag": None}
    return replace(known or PretrainedCfg(first_conv="conv1", classifier="fc"), **nowhere)


def _entry(name: str, space: str | None) -> Callable[..., nn.Module]:
    def create(
        pretrained: bool = False,
        pretrained_cfg: Any = None,
        pretrained_cfg_overlay: dict[str, Any] | None = None,
        cache_dir: Any = None,
        **arguments: Any,
    ) -> nn.Module:
        return build_model_with_cfg(
            make_network,
            name,
            pretrained,
            pretrained_cfg,
            pretrained_cfg_overlay,
            feature_cfg={"feature_cls": features, "out_indices": None},
            cache_dir=cache_dir,
            kwargs_filter=("global_pool",),
            **({"space": space} if space else {}),
            **arguments,
        )

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f"Build {space or 'any backbone'} with attention where `placement` says."
    return create


default_cfgs = generate_default_cfgs(
    {name: backbone_cfg(load_space(space).backbone) for name, space in MODELS.items()}
    | {ANY: PretrainedCfg()}
)
for _name, _space in {**MODELS, ANY: None}.items():
    globals()[_name] = register_model(_entry(_name, _space))
