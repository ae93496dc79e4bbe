"""The analysts' web console: shows cases, and writes what people decide about them.

Invariant: the truth is in Kafka, or in the files of a replay. What the console keeps itself can be thrown away.
"""
