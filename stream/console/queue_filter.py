"""Which cases a list shows: read from a page's address, and put back into one.

Invariant: pure. Every list can be reached by its address. Values that are none of the choices are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, get_args, get_type_hints
from urllib.parse import urlencode

from stream.contract.alerts import Kind, Severity
from stream.contract.events import CaseSubject

#: "waiting" are the cases that wait for a person: open and appealed; "second_analyst" those of them with a verdict that
#: somebody else must give, too.
State = Literal["waiting", "second_analyst", "open", "appealed", "decided", "closed", "all"]
Order = Literal["priority", "due", "updated"]
STATES: Final[tuple[State, ...]] = get_args(State)
ORDERS: Final[tuple[Order, ...]] = get_args(Order)
KINDS: Final[tuple[str, ...]] = get_args(Kind)
SEVERITIES: Final[tuple[str, ...]] = get_args(Severity)
SUBJECT_TYPES: Final[tuple[str, ...]] = get_args(get_type_hints(CaseSubject)["type"])
PAGE_SIZE: Final = 50
_MAX_PAGE: Final = 10_000
_MAX_TEXT: Final = 200
_ORDERS: Final[dict[Order, str]] = {
    "priority": "priority DESC, due_at, case_id",
    "due": "due_at IS NULL, due_at, priority DESC, case_id",
    "updated": "updated_at DESC, case_id",
}


class QueueFilter(NamedTuple):
    """What a list is narrowed to; an empty text narrows nothing.

    Attributes:
        assignee: An analyst; "nobody" for cases that nobody has.
        text: An id, or the beginning of a case's id: of a subject, review, product, alert or linked subject.
        page: From 1.
    """

    state: State = "waiting"
    kind: str = ""
    severity: str = ""
    subject_type: str = ""
    assignee: str = ""
    text: str = ""
    order: Order = "priority"
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> QueueFilter:
        """Return the filter of a page's address."""

        def chosen(name: str, choices: tuple[str, ...], usual: str = "") -> Any:
            value = query.get(name, "")
            return value if value in choices else usual

        page = query.get("page", "1")
        return cls(
            state=chosen("state", STATES, "waiting"),
            kind=chosen("kind", KINDS),
            severity=chosen("severity", SEVERITIES),
            subject_type=chosen("subject_type", SUBJECT_TYPES),
            assignee=query.get("assignee", "").strip()[:_MAX_TEXT],
            text=query.get("text", "").strip()[:_MAX_TEXT],
            order=chosen("order", ORDERS, "priority"),
            page=min(max(int(page), 1), _MAX_PAGE) if page.isascii() and page.isdigit() and len(page) < 9 else 1,
        )

    def address(self, **changed: Any) -> str:
        """Return the address of the list with some fields changed."""
        wanted = self._replace(**changed)
        usual = QueueFilter()
        given = {name: getattr(wanted, name) for name in self._fields if getattr(wanted, name) != getattr(usual, name)}
        return f"/?{urlencode(given)}" if given else "/"

    def sql(self) -> tuple[str, str, list[Any]]:
        """Return the condition, the order and the values of the condition."""
        conditions: list[str] = []
        values: list[Any] = []
        if self.state == "waiting":
            conditions.append("is_waiting = 1")
        elif self.state == "second_analyst":
            conditions.append("waits_for_second = 1")
        elif self.state != "all":
            conditions.append("state = ?")
            values.append(self.state)
        for column, value in (("kind", self.kind), ("subject_type", self.subject_type)):
            if value:
                conditions.append(f"{column} = ?")
                values.append(value)
        if self.severity:
            conditions.append("severity = ?")
            values.append(SEVERITIES.index(self.severity))
        if self.assignee == "nobody":
            conditions.append("assignee IS NULL")
        elif self.assignee:
            conditions.append("assignee = ?")
            values.append(self.assignee)
        if self.text:
            conditions.append(
                "case_id IN (SELECT case_id FROM ids WHERE id = ? "
                "UNION SELECT case_id FROM cases WHERE case_id BETWEEN ? AND ?)"
            )
            digits = self.text.lower()
            values += [self.text, digits, f"{digits}g"]  # no digit of an id comes after f
        return " AND ".join(conditions) or "1", _ORDERS[self.order], values
