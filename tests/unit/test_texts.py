"""Texts from outside: hidden characters become escapes, all others stay; lists and numbers read as in a sentence."""

from __future__ import annotations

from typing import Final

import pytest

from stream.texts import counted, listed, literal, visible

#: Controls of the direction of writing, and other characters that cannot be seen.
HIDDEN: Final = [
    *map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0x200B, 0x2060, 0x00AD, 0x180E)),
]


@pytest.mark.parametrize("hidden", [*HIDDEN, "\x1b", "\x7f", "\x9b", "\u2028", "\u2029", "\U000e0041"])
def test_a_hidden_character_is_an_escape(hidden: str) -> None:
    escape = hidden.encode("unicode_escape").decode()
    assert visible(f"a{hidden}b") == literal(f"a{hidden}b") == f"a{escape}b"


@pytest.mark.parametrize(
    "text",
    ["", "seller-1", "می\u200cخواهم", "क्\u200dष", "\U0001f469\u200d\U0001f4bb", "a\n\tb", "10\xa0€", "店\u3000 é"],
)
def test_what_words_and_emoji_need_stays(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("texts", "sentence"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c", "d"], "a, b, c and d")]
)
def test_a_list_has_one_and(texts: list[str], sentence: str) -> None:
    assert listed(texts) == sentence


def test_one_is_singular() -> None:
    assert [counted(number, "flip") for number in (0, 1, 2)] == ["0 flips", "1 flip", "2 flips"]
