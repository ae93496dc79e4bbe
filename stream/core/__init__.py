"""The core: events and their times in, alerts and changed state rows out. No Kafka, clock, randomness or I/O.

Public face: `detector.Detector`, `merge.Merge`, `model.encoding` (row encoding, StateError) and `staff.messages`. The
worker imports only these. Modules that read states (`stream.task_views`, `stream.erasure`, `stream.offline`,
`stream.arena`) also import others.
Imports point down: detector; event_clock, event_handlers; risk_set; state; alerting; subjects; staff; evidence;
baseline; model. import-linter checks both rules.
"""
