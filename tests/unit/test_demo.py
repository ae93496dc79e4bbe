"""`make run` compares its alerts with the sellers that cheat."""

from __future__ import annotations

from stream.demo.figures import cheating_sellers


def test_staff_who_sell_look_ups_are_no_sellers() -> None:
    common = b'"kind":"leaked","started_at":"2025-01-01T00:00:00Z","paid_flips":0,"paid_review_ids":[],"run":{'
    common += b'"scenario":"cheats","seed":1,"sellers":1,"days":1}}'
    truth = b'{"seller_id":"s1",' + common + b'\n{"actor_id":"a1",' + common + b"\n"
    assert cheating_sellers(truth) == {"s1"}
