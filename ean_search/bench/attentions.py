"""A table of the attention modules: what one attachment costs, where it can go, what it bears."""

import copy
import csv
import inspect
import logging
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from ean_search.attention.base import Attention
from ean_search.attention.registry import (
    ATTENTIONS,
    TIMM_ATTENTIONS,
    find_attention,
    make_attention_for_site,
)
from ean_search.attention.state import ChainedAttention, StateHolder
from ean_search.costs.flops import count_flops, count_params
from ean_search.costs.network_latency import AttentionAlone
from ean_search.costs.stopwatch import time_interleaved
from ean_search.testing.check_attention import check_attention, example_site
from ean_search.utils.errors import UserError, first_line
from ean_search.utils.progress import Progress, silent
from ean_search.utils.provenance import hardware

# Side and channels of the maps where attention goes in the four stages of ResNet-50 at 224 px.
STAGES = ((56, 256), (28, 512), (14, 1024), (7, 2048))
SMALL = (7, 64)  # side and channels of the map on which tracers and gates are tried
TOLERANCE = 1e-4  # of what a tracer computes, as a share of the largest value
ARXIV = re.compile(r"arxiv(?:\.org/abs/|:?\s*)(\d{4}\.\d{4,5})", re.IGNORECASE)
VENUE = re.compile(r"\((?:[^()]*, )?(\w+ 20\d\d)\)")

log = logging.getLogger(__name__)


def bench_attentions(
    names: Sequence[str] = (),
    *,
    coverage: Path | None = None,
    rounds: int = 20,
    device: str = "cpu",
    progress: Progress = silent,
) -> pd.DataFrame:
    """Describe attentions; all that are registered and keep the contract, if none is named.

    Args:
        names: Names of attentions.
        coverage: The table of experiments/coverage.py, which tells where attention attaches.
        rounds: Passes of each module on each map, of which the median counts.
        device: Where to time.
        progress: Receives the number of finished steps.

    Returns:
        One row per attention.

    Raises:
        UserError: If an attention is unknown.
    """
    families = _read_families(coverage)
    chosen = names or [*ATTENTIONS, *TIMM_ATTENTIONS]
    rows: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(chosen):
        progress("attentions", number, len(chosen) + len(STAGES), name)
        kind = find_attention(name)
        try:
            check_attention(name)
        except UserError as error:
            log.warning("%s is left out: %s", name, first_line(error))
            continue
        rows[name] = {"attention": name, "paper": paper_of(kind)} | _describe(name, kind, families)
    for number, (side, channels) in enumerate(STAGES, len(chosen)):
        progress("attentions", number, len(chosen) + len(STAGES), f"{side} x {side}")
        for name, cost in _measure(list(rows), side, channels, rounds, device).items():
            rows[name] |= cost
    progress("attentions", len(chosen) + len(STAGES), len(chosen) + len(STAGES))
    return pd.DataFrame(rows.values()).assign(hardware=hardware(device))


def paper_of(kind: type[Attention]) -> str:
    """Return the paper that the documentation of an attention names.

    Args:
        kind: The class; its own documentation comes before that of its module.

    Returns:
        An arXiv number, or a venue and a year; empty if there is none, or if it names several.
    """
    for text in (inspect.getdoc(kind), sys.modules[kind.__module__].__doc__):
        arxiv = {f"arXiv {number}" for number in ARXIV.findall(text or "")}
        if named := arxiv or set(VENUE.findall(text or "")):
            return named.pop() if len(named) == 1 else ""
    return ""


def _describe(
    name: str, kind: type[Attention], families: dict[str, set[str]]
) -> dict[str, str | int]:
    """Say where an attention can go, and what tracers and pruning can do with it."""
    module, inputs = _make(name, *SMALL)
    attached = set[str]().union(*(families.get(position, set()) for position in kind.positions))
    return {
        "positions": " ".join(kind.positions),
        "families": len(attached),
        "compile": _agrees(module, inputs, _compile),
        "export": _agrees(module, inputs, _export),
        "onnx": _agrees(module, inputs, _to_onnx) if find_spec("onnxscript") else "",
        "fold": _fold(module, inputs, kind),
    }


def _make(name: str, side: int, channels: int) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Make an attention for an example of its preferred site, and inputs of one image."""
    site = example_site(find_attention(name).positions[0], channels, side)
    attention = make_attention_for_site(site, name).eval()
    module = ChainedAttention(attention, StateHolder()) if attention.stateful else attention
    return AttentionAlone(module).eval(), site.example_inputs()


def _agrees(
    module: nn.Module, inputs: tuple[Tensor, ...], trace: Callable[..., Callable[..., Any]]
) -> str:
    """Say whether what a tracer makes of a module computes what the module does."""
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # tracers warn of their own internals
            found = _first(trace(copy.deepcopy(module), inputs)(*inputs))
            expected = _first(module(*inputs))
    except Exception as error:  # tracers fail with errors of their own
        log.debug("%s: %s", type(module).__name__, first_line(error))
        return "no"
    difference = float((found - expected).abs().max() / expected.abs().max())
    return "yes" if difference <= TOLERANCE else "no"


def _first(output: Any) -> Tensor:
    """Return the map among the outputs of an attention, which may have a state."""
    tensor: Tensor = output[0] if isinstance(output, tuple | list) else output
    return tensor


def _compile(module: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[..., Any]:
    # Whether there is one graph is what matters; code for the machine would take minutes.
    torch.compiler.reset()  # it counts the modules that it was given, and stops at some number
    return torch.compile(module, fullgraph=True, backend="aot_eager")


def _export(module: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[..., Any]:
    return torch.export.export(module, inputs).module()


def _to_onnx(module: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[..., Any]:
    from onnxruntime import InferenceSession

    program = torch.onnx.export(module, inputs, dynamo=True, verbose=False)
    assert program is not None
    with tempfile.TemporaryDirectory() as folder:
        program.save(f"{folder}/model.onnx")
        content = Path(folder, "model.onnx").read_bytes()
    session = InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def run(*tensors: Tensor) -> Tensor:
        feeds = dict(zip(names, (tensor.numpy() for tensor in tensors), strict=True))
        return torch.from_numpy(session.run(None, feeds)[0])

    return run


def _fold(module: nn.Module, inputs: tuple[Tensor, ...], kind: type[Attention]) -> str:
    """Say whether pruning can put an attention into the norm before it.

    It can where every channel has one factor for all positions: always if the factor is the same
    for all images, and otherwise if it hardly varies.
    """
    if kind.positions[0] != "residual" or kind.num_inputs > 1:
        return "no"
    trained, generator = copy.deepcopy(module), torch.Generator().manual_seed(0)
    for parameter in trained.parameters():  # some start at values that make a gate constant
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data += noise / 10
    x = torch.rand(4, *inputs[0].shape[1:], generator=generator) + 1  # nothing near 0 divides
    with torch.no_grad():
        factors = _first(trained(x)) / x
    if not torch.allclose(factors, factors[:, :, :1, :1].expand_as(factors), atol=TOLERANCE):
        return "no"
    same = torch.allclose(factors, factors[:1].expand_as(factors), atol=1e-7)
    return "always" if same else "if it hardly varies"


def _measure(
    names: Sequence[str], side: int, channels: int, rounds: int, device: str
) -> dict[str, dict[str, float]]:
    """Count attentions on one map, and time them against each other."""
    costs: dict[str, dict[str, float]] = {}
    forwards = {}
    for name in names:
        module, inputs = _make(name, side, channels)
        costs[name] = {
            f"params_{side}": count_params(module),
            f"macs_{side}": count_flops(module, *inputs)[0],
        }
        moved = (x.to(device) for x in inputs)
        forwards[name] = partial(module.to(device), *moved)
    for name, milliseconds in time_interleaved(forwards, rounds=rounds, device=device).items():
        costs[name][f"ms_{side}"] = milliseconds
    return costs


def _read_families(coverage: Path | None) -> dict[str, set[str]]:
    """Return the families of timm in which attention attaches, by position."""
    families: dict[str, set[str]] = {}
    if coverage is None or not coverage.is_file():
        return families
    with coverage.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["status"] == "ok":
                families.setdefault(row["position"], set()).add(row["family"])
    return families
