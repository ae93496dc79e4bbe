"""The commands about people's ids: `unmask`, `forget`."""

from __future__ import annotations

from typing import Annotated

import typer

from stream.cli.connect import connected_settings
from stream.cli.output import fail, print_json, say


def unmask(
    pseudonyms: Annotated[list[str], typer.Argument(metavar="PSEUDONYM...", help="as in state and alerts")],
    reason: Annotated[str, typer.Option(help="why you need the ids; kept in the audit topic, with your name")],
) -> None:
    """Print the ids behind pseudonyms as JSON lines; an audit record is written first."""
    from stream.intake.pseudonyms import is_pseudonym
    from stream.ops import privacy

    for one in pseudonyms:
        if not is_pseudonym(one):
            raise typer.BadParameter(f"{one!r} is no pseudonym: a pseudonym is pr- or ps- and 32 hex digits")
    if not reason.strip():
        raise typer.BadParameter("--reason is empty")
    left = set(pseudonyms)
    for found in privacy.unmask(*connected_settings("unmask"), pseudonyms, reason):
        print_json(found)
        left.discard(found.pseudonym)
    if left:
        fail(f"not in the input topics any more, or made with another key: {', '.join(sorted(left))}")


def forget(
    reviewer_id: Annotated[
        str,
        typer.Argument(metavar="REVIEWER_ID", help="as in the events, or with a key the pseudonym that cases show"),
    ],
    reason: Annotated[str | None, typer.Option(help="such as the request's number; kept in the audit topic")] = None,
) -> None:
    """Erase a reviewer's id from the state of every task; no count changes.

    With VOLTEFACE_PSEUDONYM_KEY a pseudonym (pr- and 32 hex digits) is taken
    as it is, and every other id is hashed. Without a key every id is taken as
    it is, also one of that form.

    The key must be that of the workers' state. If it is another one, or if
    there is no state yet, the command says so and nothing is written.

    Verdicts, alerts and messages that were written stay in their topics for
    their retention: see "Privacy" in docs/operations.md.
    """
    from stream import erasure
    from stream.core.model.encoding import StateError

    fault = erasure.fault_of(reviewer_id)
    if fault:
        raise typer.BadParameter(f"no event can have this id: {fault}")
    try:
        asked = erasure.forget(*connected_settings("forget"), reviewer_id, reason)
    except StateError as error:
        fail(f"StateError: {error}")
    tasks = "1 task is" if asked.tasks == 1 else f"{asked.tasks} tasks are"
    say(f"{tasks} asked to forget {asked.pseudonym or 'this reviewer'}")
