"""The `gameday` command: all that is not a test."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from chaos.cli.capacity.command import capacity_command
from chaos.cli.plan.command import plan_command
from chaos.cli.reports import compare_runs, redraw
from chaos.cli.review.command import review_command
from chaos.cli.scenarios import scenarios_command
from chaos.cli.setup import init_command, rbac_command
from chaos.cli.undo import status_command, undo_command
from chaos.cli.upgrade.command import upgrade_check_command
from chaos.errors import GamedayError, UsageError, one_line
from chaos.history.writing.redaction import redacted_message
from chaos.lab import Lab
from chaos.lab.addons.catalogue import ADDONS
from chaos.lab.bring_up import prepare
from chaos.lab.control_plane.build import MINORS, Release
from chaos.lab.doctor import diagnose
from chaos.lab.images.user_images import from_archive
from chaos.lab.images.user_images import from_containerd as containerd_image
from chaos.lab.lab import keep_lab
from chaos.progress import Terminal
from reports.text.compare import show_comparison

__all__ = ["main"]

app = typer.Typer(
    help="Resilience scenarios for replicated model services on Kubernetes. Scenarios themselves run with pytest.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
lab_app = typer.Typer(help="Real Kubernetes on this host, for scenarios to run on.", no_args_is_help=True)
KubernetesOption = Annotated[
    str,
    typer.Option(
        metavar="MINOR", help=f"The version of Kubernetes: {', '.join(MINORS)}; default: {Release().control_plane}."
    ),
]
KubeletOption = Annotated[
    str, typer.Option(metavar="MINOR", help="The nodes' version, if older, as amid an upgrade; default: the same.")
]
app.add_typer(lab_app, name="lab")
app.command("plan")(plan_command)
app.command("upgrade-check")(upgrade_check_command)
app.command("capacity")(capacity_command)
app.command("init")(init_command)
app.command("scenarios")(scenarios_command)
app.command("rbac")(rbac_command)
app.command("review")(review_command)
app.command("undo")(undo_command)
app.command("status")(status_command)


def main() -> None:
    """Run the command. A mistake that a person can mend ends as one or two lines, and exit 2."""
    try:
        app()
    except GamedayError as error:
        print(f"gameday: {redacted_message(str(error))}", file=sys.stderr)  # noqa: T201  # a command speaks on its streams
        sys.exit(error.exit_code)


@lab_app.command("up")
def lab_up(
    *,
    nodes: Annotated[int, typer.Option(min=1, max=9, help="How many nodes.")] = 3,
    kubernetes: KubernetesOption = "",
    kubelet: KubeletOption = "",
) -> None:
    """Start the lab, or join the one that runs; it stays until `gameday lab down`."""
    lab = Lab(release=Release.of(kubernetes, kubelet) if kubernetes or kubelet else None)
    facts = lab.up(nodes=nodes, progress=Terminal())
    keep_lab(lab)
    for name, took_s in facts.stages:
        print(f"{took_s:5.1f} s  {name}")  # noqa: T201
    print(facts.release)  # noqa: T201
    print(f"export KUBECONFIG={facts.kubeconfig}")  # noqa: T201


@lab_app.command("down")
def lab_down(
    *,
    force: Annotated[bool, typer.Option("--force", help="Even if a session is using it.")] = False,
) -> None:
    """Take the lab down; nothing of it stays on the host but the caches."""
    Lab().down(force=force, progress=Terminal())


@lab_app.command("status")
def lab_status() -> None:
    """Say how the lab is; exit 1 unless it is up and well."""
    status = Lab().status()
    print(status.words)  # noqa: T201
    table = Table(box=None, pad_edge=False)
    for heading in ("program", "pid", "alive", "log"):
        table.add_column(heading)
    for component in status.components:
        table.add_row(component.name, str(component.pid), "yes" if component.alive else "NO", str(component.log))
    if status.components:
        Console().print(table)
    if status.addons:
        print(f"add-ons: {', '.join(status.addons)}")  # noqa: T201
    for user in status.users:
        print(one_line(f"in use by {user}"))  # noqa: T201
    raise typer.Exit(0 if status.well else 1)


@lab_app.command("doctor")
def lab_doctor() -> None:
    """Say what this host lacks for the lab, and the command that mends each; exit 2 if anything."""
    complaints = diagnose()
    for complaint in complaints:
        print(f"{complaint.what}\n  to mend it: {complaint.mend}")  # noqa: T201
    if not complaints:
        print("nothing is missing")  # noqa: T201
    raise typer.Exit(2 if complaints else 0)


@lab_app.command("prepare")
def lab_prepare(kubernetes: KubernetesOption = "", kubelet: KubeletOption = "") -> None:
    """Install and build all that the lab needs: Debian packages, Kubernetes, images. Safe to repeat."""
    prepare(Terminal(), Release.of(kubernetes, kubelet))


@lab_app.command("load")
def lab_load(
    archive: Annotated[
        Path | None, typer.Argument(metavar="FILE.tar", help="An OCI layout, or what docker save wrote.")
    ] = None,
    *,
    from_containerd: Annotated[
        str, typer.Option(metavar="NAME[@SOCKET]", help="An image of a containerd on this host instead of a file.")
    ] = "",
    name: Annotated[str, typer.Option(metavar="NAME:TAG", help="What to call the one image of the file.")] = "",
) -> None:
    """Put images of yours on every node of the lab that is up, and print their names; they last as long as it."""
    if (archive is None) == (not from_containerd):
        raise UsageError("gameday lab load takes one image", "give FILE.tar, or --from-containerd NAME")
    if from_containerd and name:
        raise UsageError("--name goes with FILE.tar", "an image of a containerd has a name")
    lab = Lab()
    lab.facts()
    opening = from_archive(archive, name=name) if archive else containerd_image(from_containerd)
    with lab.use("loading an image"), opening as (image, names):
        lab.take_image(image, Terminal())
    print("\n".join(names))  # noqa: T201


@lab_app.command("add")
def lab_add(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help=f"Any of {', '.join(ADDONS)}.")],
) -> None:
    """Add programs such as Prometheus or KEDA to the lab that is up, with what they need; they last as long as it."""
    print("\n".join(Lab().add(names, Terminal())))  # noqa: T201


@lab_app.command("logs")
def lab_logs(
    program: Annotated[str, typer.Argument(help="A program of the lab, or a node; none lists them.")] = "",
    lines: Annotated[int, typer.Option(min=1, help="How many lines from the end.")] = 200,
) -> None:
    """Show the end of a program's log, or of all logs of a node."""
    lab = Lab()
    names = lab.component_names()
    if not program:
        print("\n".join(names))  # noqa: T201
        return
    of_node = [name for name in names if name.endswith(f"-{program}")]
    for name in of_node or [program]:
        text = lab.logs(name).read_text(errors="replace").splitlines()[-lines:]
        print("\n".join([f"==> {name}", *text] if of_node else text))  # noqa: T201


@lab_app.command("kubeconfig")
def lab_kubeconfig() -> None:
    """Print the path of the lab's kubeconfig: `export KUBECONFIG=$(gameday lab kubeconfig)`."""
    print(Lab().facts().kubeconfig)  # noqa: T201


@app.command("report")
def report(
    run: Annotated[Path, typer.Argument(help="A run folder, or the folder of a session.")],
    *,
    picture: Annotated[bool, typer.Option("--picture", help="Also write the timeline as timeline.png.")] = False,
) -> None:
    """Draw report.html of a saved run again, from its evidence and its verdict; of a session, from its runs."""
    for path in redraw(run, picture=picture):
        print(path)  # noqa: T201


@app.command("compare")
def compare(
    before: Annotated[Path, typer.Argument(help="The run folder of the earlier run.")],
    after: Annotated[Path, typer.Argument(help="That of the later run.")],
    *,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw this page: the later run, the earlier behind it.")
    ] = None,
) -> None:
    """Say what differs between two runs: findings, figures and recoveries, beside what earlier runs varied by."""
    show_comparison(compare_runs(before, after, page=page), Console())
