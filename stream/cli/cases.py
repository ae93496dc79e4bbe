"""The commands that read cases: `cases`, `case`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, get_args

import typer

from stream.cli.connect import connected_settings
from stream.cli.input_file import check_output
from stream.cli.option_values import check_choices
from stream.cli.output import fail, print_json, results, say, warn
from stream.contract.cases import Case, CaseState
from stream.offline.memberships import memberships
from stream.offline.ring_words import ring_at_present

_STATES: Final = get_args(CaseState)
_WAITING: Final = ("open", "appealed")
#: Of a statement of reasons, by the end of its file's name.
_FORMATS: Final = (".md", ".html")


def _is_about(case: Case, subjects: set[str]) -> bool:
    """Return whether a case is about one of these subjects; a ring also by what ties its members."""
    ring = ring_at_present(case)
    names = {case.subject.id, *(() if ring is None else (one.id for one in ring.connectors))}
    return not names.isdisjoint(subjects)


def cases(
    state: Annotated[
        list[str] | None,
        typer.Option(metavar="STATE", help=f"only {', '.join(_STATES)}; by default open and appealed; repeatable"),
    ] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="only about this seller, staff member, ring or reviewer (pseudonym or id); repeatable"
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="measured precision by kind and severity, over all cases")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON lines, complete, instead of a table")] = False,
) -> None:
    """List the cases that wait for a person, the most urgent first."""
    from stream.cli import case_pages
    from stream.intake.pseudonyms import with_pseudonyms
    from stream.ops import case_report
    from stream.ops import cases as case_topic

    check_choices("--state", state, _STATES)
    if report and (state or subject):
        raise typer.BadParameter("--report counts all cases: leave out --state and --subject")
    settings, kafka = connected_settings("cases")
    known = case_topic.read(settings, kafka, warn).cases
    width = max(results.width, case_pages.LEAST_WIDTH)
    if report:
        found = case_report.report(known.values())
        if json:
            print_json(found)
        else:
            _print(case_pages.precision(found, width))
        return
    states = tuple(state or _WAITING)
    about_ids = with_pseudonyms(subject or (), settings)
    chosen = [case for case in known.values() if case.state in states and (not subject or _is_about(case, about_ids))]
    chosen.sort(key=_order)
    if json:
        for case in chosen:
            print_json(case)
    elif chosen:
        _print(case_pages.queue(chosen, case_topic.shown_digits(known), width))
    if not chosen:
        about = " about these subjects" if subject else ""
        say(f"no {' or '.join(states)} cases{about} among the {len(known)} in {settings.cases_topic}")


def _order(case: Case) -> tuple[float, float, str]:
    """Return the place in the queue: the highest priority first, then the earliest due date."""
    due = float("inf") if case.due_at is None else case.due_at.timestamp()
    return -case.priority, due, case.case_id


def _print(lines: list[str]) -> None:
    for line in lines:
        results.print(line, soft_wrap=True)


def case(
    case_id: Annotated[str, typer.Argument(metavar="CASE_ID", help="the id or its beginning, see `volteface cases`")],
    json: Annotated[bool, typer.Option("--json", help="one line of JSON, complete")] = False,
    statement: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write the statement of reasons for the seller to this .md or .html file"),
    ] = None,
) -> None:
    """Show everything about one case, or write its statement of reasons."""
    from stream.cli import case_pages
    from stream.ops import cases as case_topic
    from stream.ops.statement import NoStatementError, html, markdown

    if statement is not None:
        if json:
            raise typer.BadParameter("--json and --statement exclude each other")
        if statement.suffix not in _FORMATS:
            raise typer.BadParameter(f"--statement takes a file that ends with {' or '.join(_FORMATS)}: {statement}")
        check_output(statement)
    settings, kafka = connected_settings("cases")
    known = case_topic.read(settings, kafka, warn).cases
    found = case_topic.find(known, case_id)
    if statement is not None:
        try:
            text = (html if statement.suffix == ".html" else markdown)(found, settings)
        except NoStatementError as error:
            fail(f"no statement of reasons: {error}")
        statement.write_text(text, encoding="utf-8")
        say(f"{statement}: statement of reasons of case {found.case_id}; fill in what stands in brackets")
    elif json:
        print_json(found)
    else:
        rings = memberships(found.subject, known.values())
        _print(case_pages.page(found, max(results.width, case_pages.LEAST_WIDTH), rings))
