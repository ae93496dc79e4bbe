"""A seeded shop: the events of a simulated market, written as changes of tables or as rows of an outbox.

Invariant: rows have the events' own times, and they are written in the order of these times, each in a transaction of
its own. Reviews are never deleted: `deleted_at` says when and `deleted_by` by whom.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final, LiteralString

from stream.contract.events import STREAMS
from stream.market.cheats import Run
from stream.market.scenarios import Cheats, Scenario
from stream.market.simulate import Market, make
from stream.ops.event_files import stream_of
from tests.kafka.cdc.connectors import documented
from tests.kafka.cdc.postgres import Postgres

_SCENARIO: Final = Scenario(
    cheats=Cheats(share=0.25, kinds=("bribes", "leaked", "cover", "bribes", "removals"), leaking=1)
)
#: Five alerts: three on two sellers, two on a staff member.
_RUN: Final = Run("shop", seed=8, sellers=20, days=150, world=0)

TABLES: Final = """
DROP TABLE IF EXISTS reviews, messages, contact_lookups;
CREATE TABLE reviews (
  id text PRIMARY KEY, seller_id text NOT NULL, product_id text NOT NULL, author_id text NOT NULL,
  stars smallint NOT NULL, body text NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  deleted_at timestamptz, deleted_by text CHECK (deleted_by IN ('author', 'moderator')), removed_by_staff text
);
CREATE TABLE messages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, seller_id text NOT NULL, reviewer_id text NOT NULL,
  review_id text, channel text NOT NULL, value numeric(10,2), currency text, sent_at timestamptz NOT NULL
);
CREATE TABLE contact_lookups (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, staff_id text NOT NULL, seller_id text NOT NULL,
  review_id text NOT NULL, reviewer_id text NOT NULL, purpose text, looked_up_at timestamptz NOT NULL
);
"""
_WRITES: Final[dict[str, LiteralString]] = {
    "review.created": """
        INSERT INTO reviews (id, seller_id, product_id, author_id, stars, body, created_at, updated_at) VALUES
          (%(review_id)s, %(seller_id)s, %(product_id)s, %(reviewer_id)s, %(rating)s, 'A text of the author.',
           %(occurred_at)s, %(occurred_at)s)""",
    "review.edited": "UPDATE reviews SET stars = %(rating)s, updated_at = %(occurred_at)s WHERE id = %(review_id)s",
    "review.deleted": """
        UPDATE reviews SET deleted_at = %(occurred_at)s, removed_by_staff = %(actor_id)s,
          deleted_by = CASE %(deleted_by)s WHEN 'platform' THEN 'moderator' ELSE 'author' END
        WHERE id = %(review_id)s""",
    "outreach.sent": """
        INSERT INTO messages (seller_id, reviewer_id, review_id, channel, value, currency, sent_at) VALUES
          (%(seller_id)s, %(reviewer_id)s, %(review_id)s, %(channel)s, %(incentive_value)s, %(currency)s,
           %(occurred_at)s)""",
    "contact.accessed": """
        INSERT INTO contact_lookups (staff_id, seller_id, review_id, reviewer_id, purpose, looked_up_at) VALUES
          (%(actor_id)s, %(seller_id)s, %(review_id)s, %(reviewer_id)s, %(purpose)s, %(occurred_at)s)""",
}
#: Fields that an event need not have, and a column must.
_ABSENT: Final = dict.fromkeys(("actor_id", "review_id", "incentive_value", "currency", "purpose"))
#: Events that the driver sends before it reads the answers.
_BATCH: Final = 100

ShopEvent = Mapping[str, Any]


def market() -> Market:
    """Return the market that the shop's events come from."""
    return make(_SCENARIO, _RUN)


def before_edits(events: Sequence[ShopEvent]) -> int:
    """Return the number of events before the first edit or deletion.

    A snapshot shows the latest state of a row only: if it shows these events and no later one, nothing is lost by it.
    """
    return len(list(takewhile(lambda event: event["type"] not in {"review.edited", "review.deleted"}, events)))


def stream_name(event: ShopEvent) -> str:
    """Return the name of an event's input stream."""
    return tuple(STREAMS)[stream_of(event["type"])]


class Shop:
    """The shop's database. It has no tables until `create` makes them.

    Args:
        postgres: Where its tables are.
    """

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def create(self) -> None:
        """Make all tables anew."""
        self._postgres.execute("DROP TABLE IF EXISTS review_outbox;" + documented("sql") + TABLES)

    def write_rows(self, events: Iterable[ShopEvent]) -> None:
        """Do what the events say: rows of messages and look-ups, and new, edited and deleted reviews."""
        self._write([[(_WRITES[event["type"]], _ABSENT | dict(event))] for event in events])

    def write_outbox(self, events: Iterable[ShopEvent], keep: bool = False) -> None:
        """Write a row for each event and delete it in the same transaction, or keep it for a connector's snapshot."""
        insert: LiteralString = "INSERT INTO review_outbox VALUES (%(id)s, %(stream)s, %(seller_id)s, %(payload)s)"
        delete: LiteralString = "DELETE FROM review_outbox WHERE id = %(id)s"
        statements = [insert] if keep else [insert, delete]
        self._write([[(sql, row) for sql in statements] for row in map(_outbox_row, events)])

    def clean_outbox(self) -> None:
        """Delete the rows that were kept."""
        self._postgres.execute("DELETE FROM review_outbox")

    def _write(self, transactions: Sequence[Sequence[tuple[LiteralString, Mapping[str, Any]]]]) -> None:
        with self._postgres.connect() as connection:
            for begin in range(0, len(transactions), _BATCH):
                changes = []
                with connection.pipeline():
                    for statements in transactions[begin : begin + _BATCH]:
                        with connection.transaction():
                            changes += [connection.execute(sql, values) for sql, values in statements]
                for change in changes:
                    assert change.rowcount == 1, f"{change.statusmessage}: the event fits no row"


def _outbox_row(event: ShopEvent) -> dict[str, Any]:
    return {
        "id": uuid.uuid5(uuid.NAMESPACE_OID, event["event_id"]),
        "stream": stream_name(event),
        "seller_id": event["seller_id"],
        "payload": json.dumps(event),
    }
