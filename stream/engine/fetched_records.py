"""Reads fetched records whose header names are not UTF-8: aiokafka would raise an error for ever.

Invariant: aiokafka's compiled reader reads every fetch that it can. Only after its error the rest of the fetch is read
again, by aiokafka's own Python reader over a buffer that decodes any name.
"""

from __future__ import annotations

from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

from stream.intake.header_names import LenientBytes

_MAGIC_2 = 2


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka ships no types
    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = LenientBytes(self._buffer)


class _LenientRecords(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self, *args: Any) -> Any:
        batch = self._next_slice
        found = super().next_batch(*args)
        # Older formats have no headers.
        return _LenientBatch(batch) if found is not None and batch[self.MAGIC_OFFSET] >= _MAGIC_2 else found


class _KeptRecords:
    """The records of one partition and fetch, and the bytes that they are read from."""

    __slots__ = ("data", "has_next", "next_batch", "size_in_bytes")

    def __init__(self, data: bytes) -> None:
        records = MemoryRecords(data)
        self.data = data
        self.has_next, self.next_batch = records.has_next, records.next_batch
        self.size_in_bytes = records.size_in_bytes


class FetchedRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """Passes a record on as it was unpacked: aiokafka's own copy (1 us) costs more than the unpacking."""

    _records_iterator: Any

    def __init__(self, tp: Any, records: Any, aborted_transactions: Any, *args: Any) -> None:
        super().__init__(tp, records, aborted_transactions, *args)
        self._again = tp, aborted_transactions, args

    def __next__(self) -> Any:
        try:
            return next(self._records_iterator)  # not through the base class: this runs for every record
        except StopIteration:
            self._records_iterator = None
            raise
        except UnicodeDecodeError:
            self._read_again()
            return super().__next__()

    def _read_again(self) -> None:
        """Read the fetch again from its beginning, which aborted transactions need, and pass over what was yielded."""
        tp, aborted_transactions, args = self._again
        offset = self.next_fetch_offset
        super().__init__(tp, _LenientRecords(self._records.data), aborted_transactions, *args)
        self._records_iterator = (record for record in self._records_iterator if record.offset >= offset)

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        return record


def install() -> None:
    """Let aiokafka's fetcher use this module: it has no parameter for these classes, and looks them up by name."""
    fetcher.PartitionRecords = FetchedRecords
    fetcher.MemoryRecords = _KeptRecords
