"""Try attention on one small variant of every model family in timm, and record the outcome.

python experiments/coverage.py [FAMILY ...]     writes results/coverage.csv, row by row

A family is a module under `timm.models`. SE is attached to its variant wherever it can go, and
MRLA-light after the blocks. A trial is passed if sites are found; if the network without
attachments equals the plain one bit by bit; and if the network with all attachments runs forward
and backward, can be counted, and gives the same logits after pruning.
"""

import csv
import signal
import sys
import warnings
from math import gcd
from pathlib import Path

import timm
import torch
from torch import nn

from ean_search.core.space import Space
from ean_search.costs.flops import count_flops
from ean_search.networks.builder import build, place, prune
from ean_search.networks.site_attentions import sharing_group
from ean_search.networks.sites import find_sites, make_backbone, probe
from ean_search.utils.errors import UserError, first_line

OUTPUT = Path(__file__).parents[1] / "results" / "coverage.csv"
COLUMNS = "family attention variant position sites groups added_macs status reason".split()
ATTENTIONS = ("se", "mrla_light")
# Words in the names of small variants, the smallest first.
SIZE_WORDS = "atto femto pico nano xxs xxsmall 050 xxt xtiny xs xsmall tiny mini small".split()
MAX_IMAGE_SIZE = 224  # pixels
TRIAL_TIMEOUT_SECONDS = 300
MAX_VARIANTS = 4  # per family


def main(families: list[str]) -> None:
    """Try all families that are not in the file yet."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    done = read_done()
    with OUTPUT.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not done:
            writer.writeheader()
        for family in families or timm.list_modules():
            if family in done:
                continue
            variants = list_small_variants(family)
            for attention in ATTENTIONS:
                row = {"family": family, "attention": attention} | try_family(variants, attention)
                writer.writerow(row)
                file.flush()
                print(*row.values(), flush=True)


def read_done() -> set[str]:
    """Read the families that have been tried with all attentions."""
    if not OUTPUT.is_file():
        return set()
    with OUTPUT.open() as file:
        return {row["family"] for row in csv.DictReader(file) if row["attention"] == ATTENTIONS[-1]}


def list_small_variants(family: str) -> list[str]:
    """List variants whose names suggest few parameters, those with the fewest first."""
    names = [name for name in timm.list_models(module=family) if not name.startswith("test_")]
    sizes = {}
    for name in sorted(names, key=guess_size)[:MAX_VARIANTS]:
        with torch.device("meta"):
            sizes[name] = sum(p.numel() for p in timm.create_model(name).parameters())
    return sorted(sizes, key=sizes.get)


def guess_size(name: str) -> tuple[int, int, str]:
    """Return a sorting key that puts the names of small variants first."""
    words = name.replace(".", "_").split("_")
    ranks = [rank for rank, word in enumerate(SIZE_WORDS) if word in words]
    return (min(ranks, default=len(SIZE_WORDS)), len(name), name)


def try_family(variants: list[str], attention: str) -> dict[str, object]:
    """Try an attention on the smallest variant that has sites for it."""
    row: dict[str, object] = {}
    for variant in variants:
        row = {"variant": variant} | attempt(variant, attention)
        if row["status"] != "no site":
            break
    return row


def attempt(variant: str, attention: str) -> dict[str, object]:
    """Try an attention on a model; return the outcome, and in one line what is wrong."""
    signal.signal(signal.SIGALRM, stop_trial)
    signal.alarm(TRIAL_TIMEOUT_SECONDS)
    try:
        return {"status": "ok"} | check_network(make_space(variant, attention))
    except UserError as error:
        status = "no site" if "has no site" in str(error) else "refused"
        return {"status": status, "reason": first_line(error)}
    except Exception as error:  # any of 98 families may raise any error
        return {"status": "failed", "reason": f"{type(error).__name__}: {first_line(error)}"[:200]}
    finally:
        signal.alarm(0)


def make_space(variant: str, attention: str) -> Space:
    """Make a space at the model's own image size, or at a smaller one that it can be built for."""
    config = timm.get_pretrained_cfg(variant, allow_unregistered=False)
    size = config.input_size[-1] if config else MAX_IMAGE_SIZE
    fields = {"name": variant, "backbone": variant, "image_size": min(size, MAX_IMAGE_SIZE)}
    if size > MAX_IMAGE_SIZE and takes_image_size(variant):
        fields["backbone_args"] = {"img_size": MAX_IMAGE_SIZE}
    space = Space(**fields, attention=attention)
    if attention == "mrla_light":
        heads = gcd(8, *(site.channels for site in find_sites(space)))
        space = Space(**fields, attention={"name": attention, "heads": heads}, sharing="none")
    return probe(space)


def takes_image_size(variant: str) -> bool:
    """Tell whether a model is built for one image size, which can be given."""
    try:
        with torch.device("meta"):
            timm.create_model(variant, img_size=MAX_IMAGE_SIZE)
    except TypeError:
        return False
    return True


def check_network(space: Space) -> dict[str, object]:
    """Build a network, compare it with the plain one, run it both ways, count and prune it."""
    sites = find_sites(space)
    network, images = build(space).eval(), torch.randn(2, 3, space.image_size, space.image_size)
    none, everything = space.named["none"], space.named["all"]
    plain = make_backbone(space, 10).eval()
    plain.load_state_dict(prune(network, none).state_dict())
    with torch.no_grad():
        require(torch.equal(place(network, none)(images), plain(images)), "differs with all off")
        attached = place(network, everything)(images)
        pruned = prune(network, everything)
        require(torch.allclose(pruned(images), attached, atol=1e-4), "differs when pruned")
    macs = count_flops(pruned, images[:1])[0] - count_flops(plain, images[:1])[0]
    place(network.train(), everything)(images).sum().backward()
    require(has_gradient(network), "no gradient reaches an attention")
    return {
        "position": sites[0].position,
        "sites": len(sites),
        "groups": len({sharing_group(space, site) for site in sites}),
        "added_macs": macs,
    }


def has_gradient(network: nn.Module) -> bool:
    """Tell whether attentions have gradients."""
    names = (name for name, p in network.named_parameters() if p.grad is not None)
    return any("attentions" in name for name in names)


def stop_trial(*_: object) -> None:
    """End a trial that takes too long."""
    raise TimeoutError(f"takes more than {TRIAL_TIMEOUT_SECONDS} s here")


def require(condition: bool, otherwise: str) -> None:
    """Refuse a network."""
    if not condition:
        raise UserError(otherwise)


if __name__ == "__main__":
    main(sys.argv[1:])
