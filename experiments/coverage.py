"""Try attention on one small variant of every model family in timm, and keep what came of it.

python experiments/coverage.py [FAMILY ...]     writes results/coverage.csv, row by row

A family is a module under `timm.models`. On its variant SE goes where it can go, and MRLA-light
after the blocks. What is tried: sites are found; with nothing attached the network is the plain one
to the bit; with everything attached it runs forward and backward, is counted, and is pruned to the
same logits.
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
from ean_search.networks.builder import build, place, prune, sharing_group
from ean_search.networks.sites import find_sites, make_backbone, probe
from ean_search.utils.errors import UserError, first_line

OUTPUT = Path(__file__).parents[1] / "results" / "coverage.csv"
COLUMNS = "family attention variant position sites groups added_macs status reason".split()
# Words that small variants have in their names, the smallest first.
SMALL = "atto femto pico nano xxs xxsmall 050 xxt xtiny xs xsmall tiny mini small".split()
LARGE = 224  # images are not made larger
PATIENCE = 300  # seconds a trial may take
TRIED = 4  # variants of a family at most


def main(families: list[str]) -> None:
    """Go through the families; those that are in the file already are not tried again."""
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
            variants = small_ones(family)
            for attention in ("se", "mrla_light"):
                for variant in variants:  # the smallest that has sites
                    row = {"family": family, "attention": attention, "variant": variant}
                    row |= attempt(variant, attention)
                    if row["status"] != "no site":
                        break
                writer.writerow(row)
                file.flush()
                print(*row.values(), flush=True)


def read_done() -> set[str]:
    """Read which families have been tried with everything."""
    if not OUTPUT.is_file():
        return set()
    with OUTPUT.open() as file:
        return {row["family"] for row in csv.DictReader(file) if row["attention"] == "mrla_light"}


def small_ones(family: str) -> list[str]:
    """Name variants whose names promise few parameters, by how many they have."""

    def promise(name: str) -> tuple[int, int, str]:
        words = name.replace(".", "_").split("_")
        found = [rank for rank, word in enumerate(SMALL) if word in words]
        return (min(found, default=len(SMALL)), len(name), name)

    sizes = {}
    names = [n for n in timm.list_models(module=family) if not n.startswith("test_")]
    for name in sorted(names, key=promise)[:TRIED]:
        with torch.device("meta"):
            sizes[name] = sum(p.numel() for p in timm.create_model(name).parameters())
    return sorted(sizes, key=sizes.get)


def attempt(variant: str, attention: str) -> dict[str, object]:
    """Try an attention on a model; say what is wrong in one line."""
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    try:
        return {"status": "ok"} | try_out(make_space(variant, attention))
    except UserError as error:
        status = "no site" if "has no site" in str(error) else "refused"
        return {"status": status, "reason": first_line(error)}
    except Exception as error:  # whatever 98 families may do
        return {"status": "failed", "reason": f"{type(error).__name__}: {first_line(error)}"[:200]}
    finally:
        signal.alarm(0)


def make_space(variant: str, attention: str) -> Space:
    """Make a space at the model's own image size, or a smaller one that it can be built for."""
    config = timm.get_pretrained_cfg(variant, allow_unregistered=False)
    size = config.input_size[-1] if config else 224
    fields = {"name": variant, "backbone": variant, "image_size": min(size, LARGE)}
    if size > LARGE and takes_size(variant):
        fields["backbone_args"] = {"img_size": LARGE}
    space = Space(**fields, attention=attention)
    if attention == "mrla_light":
        heads = gcd(8, *(site.channels for site in find_sites(space)))
        space = Space(**fields, attention={"name": attention, "heads": heads}, sharing="none")
    return probe(space)


def takes_size(variant: str) -> bool:
    """Say whether a model is built for one image size, which can be given."""
    try:
        with torch.device("meta"):
            timm.create_model(variant, img_size=LARGE)
    except TypeError:
        return False
    return True


def try_out(space: Space) -> dict[str, object]:
    """Build, compare, run both ways, count and prune."""
    sites = find_sites(space)
    network, image = build(space).eval(), torch.randn(2, 3, space.image_size, space.image_size)
    none, everything = space.named["none"], space.named["all"]
    plain = make_backbone(space, 10).eval()
    plain.load_state_dict(prune(network, none).state_dict())
    with torch.no_grad():
        claim(torch.equal(place(network, none)(image), plain(image)), "differs with all off")
        attached = place(network, everything)(image)
        small = prune(network, everything)
        claim(torch.allclose(small(image), attached, atol=1e-4), "differs when pruned")
    macs = count_flops(small, image[:1])[0] - count_flops(plain, image[:1])[0]
    place(network.train(), everything)(image).sum().backward()
    claim(has_gradient(network), "no gradient reaches an attention")
    return {
        "position": sites[0].position,
        "sites": len(sites),
        "groups": len({sharing_group(space, site) for site in sites}),
        "added_macs": macs,
    }


def has_gradient(network: nn.Module) -> bool:
    """Say whether attentions have gradients."""
    names = (name for name, p in network.named_parameters() if p.grad is not None)
    return any("attentions" in name for name in names)


def give_up(*_: object) -> None:
    """End what takes too long."""
    raise TimeoutError(f"takes more than {PATIENCE} s here")


def claim(holds: bool, otherwise: str) -> None:
    """Refuse a network."""
    if not holds:
        raise UserError(otherwise)


if __name__ == "__main__":
    main(sys.argv[1:])
