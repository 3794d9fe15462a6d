"""What `ean-search --help` shows: the commands by what a user wants to do, and examples."""

import argparse

TASKS = {
    "search": ("spaces", "cost", "run", "resume"),
    "look and choose": ("pick", "report", "dashboard", "explain"),
    "use what was found": ("retrain", "prune", "export", "transfer"),
    "bring your own": ("new", "pretrain"),
    "measure": ("bench",),
}
EXAMPLES = """\
examples:
  ean-search run --space tiny                           a first search: 4 sites
  ean-search run --backbone resnet18 --attention se     would SE pay in this?
  ean-search report RUN                                 a page about a run
  ean-search retrain RUN --placement knee               train what you choose

`ean-search COMMAND --help` says what a command's flags do."""


class TaskHelp(argparse.RawDescriptionHelpFormatter):
    """Lists the commands under the tasks of `TASKS`."""

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
        parts = [_task(title, names, helps) for title, names in TASKS.items()]
        return "\n".join(parts)


def _task(title: str, names: tuple[str, ...], helps: dict[str, str]) -> str:
    lines = [f"    {name:<10} {helps[name]}\n" for name in names]
    return "".join([f"  {title}:\n", *lines])
