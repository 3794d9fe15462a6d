"""Commands for a retrained network: `export` writes it for others, `prune` removes idle gates."""

import argparse
import logging
from pathlib import Path
from typing import Any

from ean_search.cli.flags import add_trust_flag
from ean_search.cli.formats import for_each_format, read_formats
from ean_search.cli.retrain import warn_of_unfinished

log = logging.getLogger(__name__)


def add_export_parser(commands: Any) -> None:
    """Describe `ean-search export`."""
    export = commands.add_parser("export", help="write a retrained network for others to open")
    add_trained_flags(export)
    export.add_argument(
        "--format", default="timm", help="timm | onnx | torch | safetensors, or several: timm,onnx"
    )
    export.add_argument("--output", type=Path, help="folder; `export` beside the weights if none")
    export.set_defaults(command=_export)

    prune = commands.add_parser("prune", help="remove attachments a retrained network hardly uses")
    add_trained_flags(prune)
    prune.add_argument(
        "--fold",
        action="store_true",
        help="merge gates that hardly vary into the norms before; done with and without this flag",
    )
    prune.add_argument("--threshold", type=float, default=0.05, help="how much a gate may vary")
    prune.add_argument("--tolerance", type=float, default=0.0, help="accuracy that may be lost")
    prune.add_argument("--device", default="auto")
    prune.set_defaults(command=_prune)


def add_trained_flags(parser: argparse.ArgumentParser) -> None:
    """Let a retrained network be named."""
    parser.add_argument("source", type=Path, help="a run, or a retrained network's folder")
    parser.add_argument("--placement", help="of a run's retrained ones, if there are several")
    parser.add_argument("--recipe", help="that it was retrained by")
    parser.add_argument("--seed", type=int, help="the lowest there is, if none")
    add_trust_flag(parser)


def find_checkpoint(args: argparse.Namespace) -> Any:
    """Open the retrained network that the flags name."""
    from ean_search.analysis.run_folder import Run, load_run
    from ean_search.retrain.checkpoint import find_only_placement, find_trained, open_checkpoint

    if not Run(args.source).experiment_file.is_file():
        checkpoint = open_checkpoint(args.source, args.trust)
        if args.placement:  # says what does not fit, if it is not the trained one
            checkpoint.network(checkpoint.description.space.parse(args.placement))
        return checkpoint
    run = load_run(args.source, args.trust)
    placement = None if args.placement else find_only_placement(run, args.recipe, args.seed)
    if placement is None:
        name = args.placement or "best"
        warn_of_unfinished(run, name)
        placement = run.find(name)
    else:
        log.info("%s is the only placement that is retrained: taking it", placement)
    return find_trained(run, placement, args.recipe, args.seed)


def _export(args: argparse.Namespace) -> None:
    from ean_search.retrain.export import export
    from ean_search.retrain.export_check import load_examples

    formats = read_formats(args.format)
    checkpoint = find_checkpoint(args)
    examples = load_examples(checkpoint.description)

    def write(form: str) -> None:
        done = export(checkpoint, form, args.output, examples)
        print(f"{done.path}: loaded back, {done.agreement}", flush=True)

    for_each_format(formats, write)


def _prune(args: argparse.Namespace) -> None:
    from ean_search.cli.tables import print_table
    from ean_search.data.datasets import load_data
    from ean_search.retrain.gate_fusion import fuse_gates, save_fused
    from ean_search.utils.device import find_device

    checkpoint = find_checkpoint(args)
    split = load_data(checkpoint.description.data).search
    fused = fuse_gates(
        checkpoint,
        split,
        threshold=args.threshold,
        tolerance=args.tolerance,
        device=find_device(args.device),
    )
    rows = [[str(gate.site), f"{gate.deviation:.4f}", _outcome(gate)] for gate in fused.sites]
    print_table(["site", "deviation", ""], rows, "pruned")
    pruned = save_fused(checkpoint, fused, args.threshold)
    print(
        f"{checkpoint.trained_placement} -> {fused.placement}, threshold {args.threshold:g}: "
        f"accuracy on {len(split)} search images {100 * fused.before:.2f} -> "
        f"{100 * fused.after:.2f} % (drop {100 * fused.drop:+.2f}); {pruned.path}"
    )


def _outcome(gate: Any) -> str:
    if gate.fused:
        return f"folded into {gate.norm}"
    return "kept" if gate.norm else "kept: no norm before it can take it"
