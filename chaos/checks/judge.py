"""Judge a saved run: load its history, ask every check, and write verdict.json beside the evidence."""

import json
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import chaos.checks
from chaos.checks.traffic.answers_right import AnswersRight
from chaos.checks.verdict import Answer, Check, Evidence, Finding, Obligation, Verdict
from chaos.errors import UsageError, printable
from chaos.history import History, load_history
from chaos.history.writing.jsonl import write_private

__all__ = ["Judgement", "judge_run", "read_verdict", "unjudged"]


SCHEMA = 2
"""Of verdict.json. An older one says other things under the same names, so it is refused and the run judged again."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A run, what it recorded, and what the checks said of it.

    `interrupted` is what ended the judging early, e.g. Ctrl-C; the caller raises it once the verdict is kept.
    """

    run: Path
    history: History
    verdict: Verdict
    interrupted: BaseException | None = None

    def text(self) -> str:
        """The verdict as a failing test prints it: findings worst first, then where to look and how to replay."""
        seed = self.history.facts.seed
        nodeid = str(self.history.facts.raw.get("nodeid", ""))
        # What no scenario made, a command made, and is known by it.
        options = "" if ".py::" in nodeid else "--pyargs "
        replay = f"pytest {options}'{nodeid}' --gameday-seed" if "::" in nodeid else f"{nodeid} --seed"
        said = f"{self.verdict.lines()}\nseed {seed}   report {self.run / 'report.html'}   replay: {replay} {seed}"
        return printable(said)


def judge_run(run: Path, checks: Iterable[Check]) -> Judgement:
    """Judge the run folder `run`, and write its verdict.json.

    A check that raises, or whose finding cannot be written down, is UNKNOWN, under its own name and with its traceback:
    nothing may pass by breaking down. So is a PASS that names no obligation: nothing may pass by saying nothing.
    Where requests asked for a number to be repeated, `AnswersRight` is always among the checks.
    """
    history = load_history(run)
    checks = tuple(checks)
    if history.requests["echo"].is_not_null().any() and not any(isinstance(one, AnswersRight) for one in checks):
        checks = (*checks, AnswersRight())
    findings: list[Finding] = []
    interrupted: BaseException | None = None
    for check in checks:
        try:
            finding = _supported(check(history))
            json.dumps(_plain(finding))
            findings.append(finding)
        except Exception as error:  # noqa: BLE001  # whatever a check does, the verdict is written
            findings.append(_raised(check, error))
        except BaseException as error:  # noqa: BLE001  # Ctrl-C: kept, and raised by the caller
            findings.append(_raised(check, error))
            interrupted = interrupted or error
    verdict = Verdict.of(findings)
    saved = {"schema": SCHEMA, "answer": verdict.answer.name, "findings": [_plain(one) for one in verdict.findings]}
    write_private(run / "verdict.json", json.dumps(saved, indent=1) + "\n")
    return Judgement(run, history, verdict, interrupted)


def _supported(finding: Finding) -> Finding:
    """The finding, but UNKNOWN where it passes without an obligation that was kept."""
    if finding.answer is not Answer.PASS or any(one.answer is Answer.PASS for one in finding.obligations):
        return finding
    reason = "the check passes without an obligation that was kept, so it proved nothing"
    return replace(finding, answer=Answer.UNKNOWN, reason=reason, settle="a check that lists what was owed")


def _raised(check: Check, error: BaseException) -> Finding:
    """What is said in place of a check that could not do its work."""
    what = "the judging was interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
    return Finding(
        check=_name(check),
        answer=Answer.UNKNOWN,
        rule="The check does its work.",
        limit="an answer",
        measured="none: the check raised",
        reason=what,
        settle="a check that does not raise; report it with the traceback in verdict.json",
        detail={"traceback": "".join(traceback.format_exception(error))},
    )


def _name(check: Check) -> str:
    """The name of a check; its type's where that cannot be told."""
    try:
        return str(check.name)
    except Exception:  # noqa: BLE001  # a check that raises is to have a finding even so
        return type(check).__name__


def _plain(finding: Finding) -> dict[str, Any]:
    """A finding as plain data, answers by name."""
    plain = {field.name: getattr(finding, field.name) for field in fields(finding)}
    plain |= {"answer": finding.answer.name, "values": finding.values, "detail": type(finding.detail).__name__}
    plain["evidence"] = [asdict(moment) for moment in finding.evidence]
    plain["obligations"] = [asdict(owed) | {"answer": owed.answer.name} for owed in finding.obligations]
    return plain


def read_verdict(run: Path) -> Verdict:
    """The verdict that was written into the run folder. Raises `UsageError` if there is none."""
    path, again = run / "verdict.json", f"judge it again: pytest --gameday-rejudge {run}"
    try:
        saved = json.loads(path.read_text())
        if saved.get("schema") != SCHEMA:
            raise UsageError(f"{path} was written by another version of gameday", again)
        return Verdict(tuple(_finding(finding) for finding in saved["findings"]))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist: this run was not judged", f"pytest --gameday-rejudge {run}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path} is no verdict: {type(error).__name__}", again) from None


def unjudged(run: Path) -> Verdict:
    """What is said of a run that ended before it was judged: nothing was claimed of it yet."""
    finding = Finding(
        check="judged",
        answer=Answer.UNKNOWN,
        rule="The trial was judged.",
        limit="a verdict",
        measured="none",
        reason="the run ended before it was judged",
        settle=f"judge it by its own scenario: pytest SCENARIO --gameday-rejudge {run}",
    )
    return Verdict((finding,))


def _finding(saved: dict[str, Any]) -> Finding:
    values = saved.pop("values")
    # Of a team's own check, and of one that raised, the detail is the plain values.
    kind = _details().get(saved["detail"])
    detail = (values or None) if kind is None else TypeAdapter(kind).validate_python(values)
    obligations = tuple(Obligation(**_typed(one)) for one in saved["obligations"])
    return Finding(**_typed(saved) | {"detail": detail, "obligations": obligations})


def _typed(saved: Mapping[str, Any]) -> dict[str, Any]:
    """The same with its answer and its moments typed."""
    moments = tuple(Evidence(**one) for one in saved["evidence"])
    return {**saved, "answer": Answer[saved["answer"]], "evidence": moments}


def _details() -> dict[str, type]:
    """The types of the details of the shipped checks, by their names."""
    shipped = (getattr(chaos.checks, name) for name in chaos.checks.__all__)
    return {check.Detail.__name__: check.Detail for check in shipped if hasattr(check, "Detail")}
