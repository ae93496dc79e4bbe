"""The bridge: from records of a platform's own topics to events of the contract on the input topics.

Invariant: each record gives its events once, however often the process is killed: they are written, and the record's
offset is committed, in one transaction. A record that gives no event is counted, or is a dead letter with a reason.
"""
