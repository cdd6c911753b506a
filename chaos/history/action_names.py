"""The names under which actions are journalled, so that a misspelt one is refused and not looked for in vain."""

import difflib

__all__ = ["ACTION_NAMES", "declare_actions", "unknown_action"]

ACTION_NAMES = frozenset(
    {
        # of any object of the API
        *("apply", "create", "delete", "patch", "scale"),
        # of pods, and what runs in them
        *("delete-pod", "evict-pod", "exec", "read-data", "debug-container"),
        # of containers, by their nodes
        *("freeze", "thaw", "kill-process", "fill-memory"),
        # of nodes
        *("cordon", "uncordon", "node-off", "node-on"),
        *("upgrade-api-server", "end-api-server", "upgrade-controllers", "upgrade-node"),
        # of what autoscalers see by
        *("stop-metrics", "continue-metrics", "restart-autoscaler"),
        # of the network
        *("cut-off", "reconnect", "mark", "unmark", "drop-probes", "pass-probes"),
        # of a Deployment and a disruption budget
        *("roll-out", "restore-template", "restore-scale", "change-budget", "restore-budget", "restore-part"),
        # of the harness
        *("start-load", "end-load", "take-lease", "renew-lease", "give-lease-back"),
        *("write-undo", "remove-undo-entries", "ask-what-it-would-be", "show-life"),
    }
)
"""The suite's own."""

_declared: set[str] = set()


def declare_actions(*names: str) -> None:
    """Add names of actions, e.g. of a fault of a team's own."""
    _declared.update(names)


def known_actions() -> frozenset[str]:
    """The suite's own names, and those that were declared."""
    return ACTION_NAMES | _declared


def unknown_action(name: str) -> str:
    """What is known instead of a name that is not, nearest first; empty if the name is known."""
    known = known_actions()
    if name in known:
        return ""
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"{meant}known actions: {', '.join(sorted(known))}"
