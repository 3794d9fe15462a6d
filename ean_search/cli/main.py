"""The `ean-search` command: all parsers, and what every command has in common.

Heavy imports sit inside the commands, so that `--help` answers at once.
"""

import argparse
import logging
import os
import select
import sys
from collections.abc import Sequence

from ean_search.cli.bench import add_bench_parser
from ean_search.cli.evidence import add_evidence_parser
from ean_search.cli.explain_columns import add_explain_columns, explain_columns
from ean_search.cli.export import add_export_parser
from ean_search.cli.new import add_new_parser
from ean_search.cli.pick import add_pick_parser
from ean_search.cli.pretrain import add_pretrain_parser
from ean_search.cli.report import add_report_parsers
from ean_search.cli.retrain import add_retrain_parser
from ean_search.cli.run import add_run_parsers
from ean_search.cli.spaces import add_space_parsers
from ean_search.cli.transfer import add_transfer_parser
from ean_search.utils.errors import UserError
from ean_search.utils.runtime import keep_freed_memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The words after `ean-search`; those of this process if None.

    Returns:
        The exit code: 0, 1 if nobody reads the output any more (`| head`), 2 for an error that the
        user can mend, 130 after Ctrl-C.
    """
    args = make_parser().parse_args(arguments)
    sys.path.insert(0, "")  # `my_module:MySearcher` is looked for where the user stands
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("ean_search").setLevel(logging.INFO)  # libraries speak up from warnings on
    keep_freed_memory()
    try:
        with explain_columns(args):
            args.command(args)
        sys.stdout.flush()
    except BrokenPipeError:
        if not _readers_are_gone():
            raise
        return 1  # as rich does, where a table breaks off
    except UserError as error:
        print(f"ean-search: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    return 0


def _readers_are_gone() -> bool:
    """Say whether nobody reads the output any more; then the rest of it goes nowhere."""
    poller = select.poll()
    for stream in (sys.stdout, sys.stderr):
        poller.register(stream.fileno(), 0)  # 0: errors only
    broken = [number for number, _ in poller.poll(0)]
    for number in broken:
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    return bool(broken)


def make_parser() -> argparse.ArgumentParser:
    """Describe all commands."""
    parser = argparse.ArgumentParser(
        prog="ean-search", description="Search where attention modules pay in a network."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_space_parsers(commands)
    add_run_parsers(commands)
    add_pick_parser(commands)
    add_report_parsers(commands)
    add_pretrain_parser(commands)
    add_retrain_parser(commands)
    add_export_parser(commands)
    add_transfer_parser(commands)
    add_new_parser(commands)
    benches = add_bench_parser(commands)
    add_evidence_parser(benches)
    add_explain_columns(commands, benches)
    return parser
