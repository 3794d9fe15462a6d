"""The `bench evidence` command: an experiment's whole chain, from search to paired retraining."""

import argparse
from pathlib import Path
from typing import Any

from ean_search.cli.flags import add_set_flag, positive, read_set_flag, save_and_print


def add_evidence_parser(kinds: Any) -> None:
    """Describe `ean-search bench evidence`."""
    evidence = kinds.add_parser("evidence", help="search, then retrain with paired seeds")
    evidence.add_argument("experiment", type=Path, help="experiment YAML")
    evidence.add_argument(
        "--placement", help="verified, best, ...; if none, what the run trusts most"
    )
    evidence.add_argument(
        "--limits", default="", help="compare the best within 'sites <= 4', say, in its place"
    )
    evidence.add_argument("--onnx", action="store_true", help="time in ONNX Runtime, too")
    evidence.add_argument("--compare", default="none,all,random:3,every-other", metavar="NAMES")
    evidence.add_argument("--seeds", type=positive, default=5)
    evidence.add_argument("--name", help="of the run's folder and the rows; the YAML's if none")
    evidence.add_argument("--output", type=Path, default=Path("results"), help="folder for files")
    add_set_flag(evidence)
    evidence.set_defaults(command=_evidence)


def _evidence(args: argparse.Namespace) -> None:
    from ean_search.bench.evidence import ComparisonPlan, add_rows, bench_evidence
    from ean_search.cli.progress import show_progress
    from ean_search.runs.experiment import load_experiment
    from ean_search.runs.new_folder import run_path

    name = args.name or args.experiment.stem
    experiment = load_experiment(args.experiment, read_set_flag(args))
    with show_progress() as progress:
        frame = bench_evidence(
            experiment,
            run_path(args.output, experiment.space.name, name),
            ComparisonPlan(args.compare, args.placement, args.limits, args.seeds, args.onnx),
            name=name,
            progress=progress,
        )
    path = args.output / "evidence.csv"
    save_and_print(add_rows(frame, path), path)
