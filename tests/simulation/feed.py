"""Producers of the input: plain ones, and some that use transactions, of which not all are committed.

Rule of this room: every record of a market comes to be visible once, in its stream's order, whatever else lies between.
"""

from __future__ import annotations

from random import Random
from typing import Final

from stream.config import Settings
from stream.core.reports import SIGNATURE
from tests.simulation.log import Log, Place
from tests.simulation.markets import Market, Sent

_NAME: Final = "a-producer"


class Feed:
    """Brings a market to the log, piece by piece."""

    def __init__(self, market: Market, log: Log, settings: Settings, chance: Random) -> None:
        self.sent = 0
        #: The latest time of an event that was sent.
        self.latest = 0.0
        self._market = market
        self._log = log
        self._settings = settings
        self._chance = chance

    @property
    def over(self) -> bool:
        return self.sent == len(self._market.sent)

    def share_topic(self) -> None:
        """Others' records in the evidence topic, and one that pretends to be this application's."""
        ours = ((SIGNATURE, self._settings.app_id.encode()),)
        for partition in range(self._market.partitions):
            place = Place(self._settings.evidence_topic, partition)
            self._log.append(place, b"k", b'{"type":"day"}', ((SIGNATURE, b"another"),))
            self._log.append(place, None, None)
            self._log.append(place, None, b"garbage", ours)

    def bring(self, most: int) -> None:
        """Send the next records."""
        piece = self._market.sent[self.sent : self.sent + most]
        self.sent += len(piece)
        self.latest = max(self.latest, *(one.at for one in piece))
        if self._chance.random() < 0.3:
            if self._chance.random() < 0.5:
                self._together(piece, commit=False)
            self._together(piece, commit=True)
        else:
            for one in piece:
                self._log.append(self._place(one), one.key, one.value)

    def _together(self, piece: list[Sent], commit: bool) -> None:
        producer = self._log.open(_NAME)
        producer.begin()
        for one in piece:
            producer.send(self._place(one), one.key, one.value)
        if commit:
            producer.commit()
        else:
            producer.abort()

    def _place(self, one: Sent) -> Place:
        return Place(self._settings.input_topics[one.stream], one.partition)
