"""The commands about people's ids: `unmask`, `forget`.

Rule of this room: as in `cli`: commands parse, call and print.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from stream.cli_groups import reached
from stream.console import fail, print_json, said


def unmask(
    pseudonyms: Annotated[list[str], typer.Argument(metavar="PSEUDONYM...", help="as state and alerts have them")],
    reason: Annotated[str, typer.Option(help="why you have to know; kept in the audit topic, with your name")],
) -> None:
    """Whose a pseudonym is, as JSON lines; that you asked is written to the audit topic first."""
    from stream.intake.pseudonyms import is_pseudonym
    from stream.ops import privacy

    for one in pseudonyms:
        if not is_pseudonym(one):
            raise typer.BadParameter(
                f"{one!r} is no pseudonym: those begin with pr- or ps- and go on with 32 hex digits"
            )
    if not reason.strip():
        raise typer.BadParameter("--reason says nothing")
    left = set(pseudonyms)
    for found in privacy.unmask(*reached(), pseudonyms, reason):
        print_json(found)
        sys.stdout.flush()
        left.discard(found.pseudonym)
    if left:
        fail(f"not in the input topics any more, or of another key: {', '.join(sorted(left))}")


def forget(
    reviewer_id: Annotated[str, typer.Argument(metavar="REVIEWER_ID", help="as the events have it")],
    reason: Annotated[str | None, typer.Option(help="the request's number, say; kept in the audit topic")] = None,
) -> None:
    """Have every task forget a reviewer's id; what is counted stays as it is."""
    from stream.ops import privacy

    asked = privacy.forget(*reached(), reviewer_id, reason)
    said.print(f"{asked.tasks} tasks are asked to forget {asked.pseudonym or 'this reviewer'}")
