"""A document of a few forms of text, as Markdown and as HTML.

Invariant: every text is shown as it is. Nothing in it becomes markup, a link or a script, and the HTML needs no other
file.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from stream.texts import literal

#: What Markdown could read as markup within a line, an address that becomes a link included.
_MARKUP: Final = re.compile(r"[\\`*_\[\]<>&|~#$!]|:(?=/)|(?<=www)\.", re.IGNORECASE)
#: What Markdown could read as a list or a heading at the beginning of a line.
_LIST: Final = re.compile(r"^(?=[-+=])|^(?P<number>[0-9]+)(?=[.)])")
_STYLE: Final = (
    "body{font:11pt/1.5 serif;max-width:42em;margin:2em auto;padding:0 1em;overflow-wrap:anywhere}"
    "table{border-collapse:collapse}th,td{border:1px solid #999;padding:.2em .6em;text-align:left}"
    "h1,h2{line-height:1.2;break-after:avoid}@media print{body{margin:0}tr{break-inside:avoid}}"
)


class Heading(NamedTuple):
    """The title of a section."""

    text: str


class Paragraph(NamedTuple):
    """Sentences."""

    text: str


class Bullets(NamedTuple):
    """A list."""

    texts: Sequence[str]


class TableBlock(NamedTuple):
    """Rows of cells below a row of names."""

    names: Sequence[str]
    rows: Sequence[Sequence[str]]


Block = Heading | Paragraph | Bullets | TableBlock


def to_markdown(title: str, blocks: Iterable[Block]) -> str:
    """Return a document in Markdown (CommonMark with GitHub's tables)."""
    return "\n\n".join([f"# {_inline(title)}", *map(_markdown, blocks)]) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {_inline(text)}"
        case Paragraph(text):
            return _inline(text)
        case Bullets(texts):
            return "\n".join(f"- {_inline(text)}" for text in texts)
        case TableBlock(names, rows):
            lines = [names, ["---"] * len(names), *([_inline(cell) for cell in row] for row in rows)]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _inline(text: str) -> str:
    escaped = _MARKUP.sub(r"\\\g<0>", _visible(text))
    return _LIST.sub(lambda found: f"{found['number'] or ''}\\", escaped)


def to_html(title: str, blocks: Iterable[Block]) -> str:
    """Return a document in HTML that a browser prints as it is."""
    head = f'<meta charset="utf-8">\n<title>{_text(title)}</title>\n<style>{_STYLE}</style>'
    body = "\n".join([f"<h1>{_text(title)}</h1>", *map(_html, blocks)])
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def _html(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{_text(text)}</h2>"
        case Paragraph(text):
            return f"<p>{_text(text)}</p>"
        case Bullets(texts):
            return "<ul>\n{}\n</ul>".format("\n".join(f"<li>{_text(text)}</li>" for text in texts))
        case TableBlock(names, rows):
            lines = [_html_row("th", names), *(_html_row("td", row) for row in rows)]
            return "<table>\n{}\n</table>".format("\n".join(lines))


def _html_row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>{}</tr>".format("".join(f"<{tag}>{_text(cell)}</{tag}>" for cell in cells))


def _text(text: str) -> str:
    return html.escape(_visible(text))


def _visible(text: str) -> str:
    """Return a text on one line, in which characters that have no appearance of their own are escapes."""
    return literal(" ".join(text.split()))
