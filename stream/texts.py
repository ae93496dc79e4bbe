"""Pieces of sentences for people: texts from outside without hidden characters, lists, plurals.

Invariant: pure, and without a dependency on another module of the package. A text that `visible` or `literal` returns
cannot change how the text around it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from unicodedata import category

#: Control characters, format characters such as those that reverse a line, separators of lines and of paragraphs.
_HIDDEN: Final = frozenset(("Cc", "Cf", "Zl", "Zp"))
#: Those that texts need: white space, and the joiners of Persian and Indic words and of emoji.
_NEEDED: Final = frozenset("\t\n\r\u200c\u200d")


def literal(text: str) -> str:
    """Return a text in which all characters that a terminal would hide or execute are written as escapes."""
    return "".join(each if each.isprintable() else _escape(each) for each in text)


def visible(text: str) -> str:
    """Return a text in which characters that a reader cannot see are written as escapes, such as ``\\u202e``."""
    if text.isprintable():
        return text
    return "".join(_escape(each) if category(each) in _HIDDEN and each not in _NEEDED else each for each in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def listed(texts: Sequence[str]) -> str:
    """Return texts as a sentence lists them: `a`, `a and b`, `a, b and c`."""
    *others, last = texts or [""]
    return f"{', '.join(others)} and {last}" if others else last


def counted(count: int, noun: str) -> str:
    """Return a number of things, such as `1 flip` or `2 flips`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
