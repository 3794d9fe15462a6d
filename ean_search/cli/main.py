"""The `ean-search` command: all parsers, and what every command has in common.

Heavy imports sit inside the commands, so that `--help` answers at once.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ean_search.cli.attack import add_attack_parser
from ean_search.cli.bench import add_bench_parser
from ean_search.cli.evidence import add_evidence_parser
from ean_search.cli.explain_columns import add_explain_columns, explain_columns
from ean_search.cli.export import add_export_parser
from ean_search.cli.new import add_new_parser
from ean_search.cli.pick import add_pick_parser
from ean_search.cli.pretrain import add_pretrain_parser
from ean_search.cli.process import fail, prepare_process, readers_are_gone, say
from ean_search.cli.report import add_report_parsers
from ean_search.cli.retrain import add_retrain_parser
from ean_search.cli.run import add_run_parsers
from ean_search.cli.spaces import add_space_parsers
from ean_search.cli.task_help import EXAMPLES, TaskHelp
from ean_search.cli.transfer import add_transfer_parser
from ean_search.utils.errors import UserError, system_failure
from ean_search.utils.import_path import find_plugins_in
from ean_search.utils.runtime import keep_freed_memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The words after `ean-search`; those of this process if None.

    Returns:
        The exit code: 0, 1 if nobody reads the output any more (`| head`), 2 for an error that the
        user can mend, such as a full disk, 130 after Ctrl-C.
    """
    prepare_process()
    try:
        return _run_command(arguments)
    except BrokenPipeError:
        if readers_are_gone():
            return 1  # as rich does, where a table breaks off
        return fail("a process at the other end of a pipe has ended")
    except UserError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        say("\nstopped")
        return 130
    except Exception as error:
        reason = system_failure(error)
        if reason is None:
            raise
        return fail(reason)


def _run_command(arguments: Sequence[str] | None) -> int:
    args = make_parser().parse_args(arguments)
    find_plugins_in(Path.cwd())  # `my_module:MySearcher` is looked for where the user stands
    keep_freed_memory()
    with explain_columns(args):
        args.command(args)
    if sys.stdout is not None:
        sys.stdout.flush()
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Describe all commands."""
    parser = argparse.ArgumentParser(
        prog="ean-search",
        description="Search where attention modules pay in a network.",
        epilog=EXAMPLES,
        formatter_class=TaskHelp,
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
    add_attack_parser(benches, main)
    add_explain_columns(commands, benches)
    return parser
