"""The commands that show what a run found: a page of it, and other people's viewers."""

import argparse
from pathlib import Path
from typing import Any

from ean_search.cli.flags import add_trust_flag, positive


def add_report_parsers(commands: Any) -> None:
    """Describe the commands that look at runs."""
    report = commands.add_parser("report", help="write one page about one run or several")
    report.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    report.add_argument(
        "--output",
        type=Path,
        help="the page; RUN/report.html by default, or report-NAMES.html beside several runs",
    )
    report.add_argument("--png", action="store_true", help="write its figures as PNG and SVG, too")
    report.set_defaults(command=_report)

    board = commands.add_parser("dashboard", help="serve optuna-dashboard on a run's trials")
    board.add_argument("run", type=Path)
    board.add_argument("--host", default="localhost")
    board.add_argument("--port", type=int, default=8080)
    board.set_defaults(command=_dashboard)

    explain = commands.add_parser("explain", help="draw where networks look: none, all, and found")
    explain.add_argument("run", type=Path)
    explain.add_argument("--placement", default="best", help="best, knee, a name or a placement")
    explain.add_argument("--images", type=positive, default=6, help="the test split's first ones")
    explain.add_argument("--device", default="auto")
    add_trust_flag(explain)
    explain.set_defaults(command=_explain)


def _report(args: argparse.Namespace) -> None:
    from ean_search.analysis.html_report import page_path, write_report
    from ean_search.analysis.run_analysis import RunAnalysis, open_run
    from ean_search.analysis.run_pictures import write_pictures

    runs = [RunAnalysis(open_run(path)) for path in args.runs]
    page = args.output or page_path(runs)
    write_report(runs, page)
    for run in runs:
        for line in run.problems():
            print(f"{run.run.path}: {line}")
    print(page)
    if args.png:
        for path in write_pictures(runs, page.with_suffix("")):
            print(path)


def _dashboard(args: argparse.Namespace) -> None:
    from ean_search.analysis.optuna_dashboard import dashboard
    from ean_search.analysis.run_folder import load_run

    with dashboard(load_run(args.run), args.host, args.port) as server:
        print(
            f"http://{args.host}:{server.server_port}/ follows {args.run}; Ctrl-C ends", flush=True
        )
        server.serve_forever()


def _explain(args: argparse.Namespace) -> None:
    from ean_search.analysis.run_folder import load_run
    from ean_search.cli.tables import print_frame
    from ean_search.retrain.grad_cam import explain

    run = load_run(args.run, args.trust)
    placement = run.find(args.placement)
    found = explain(run, placement, images=args.images, device=args.device)
    print_frame(found.frame, "explained")
    print(f"{found.weights}; maps of {found.layer}\n{found.picture}")
