"""A document's texts stay text wherever they stand: at the beginning of a line, in a list, in a cell."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from stream.ops.statement_formats import Block, Bullets, Heading, Paragraph, TableBlock, to_html, to_markdown

TEXTS = [
    "- item",
    "+ item",
    "1. item",
    "12) item",
    "===",
    "# title",
    "> quote",
    "```",
    "---",
    "| a | b |",
    "<hr>",
    "a\n\nb",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_at_the_beginning_of_a_line_becomes_no_markup(text: str) -> None:
    blocks: list[Block] = [Heading(text), Paragraph(text), Bullets([text]), TableBlock(["n"], [[text]])]
    tags = [
        token.tag for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(to_markdown("t", blocks))
    ]
    plain: list[Block] = [Heading("x"), Paragraph("x"), Bullets(["x"]), TableBlock(["n"], [["x"]])]
    assert tags == [token.tag for token in MarkdownIt("commonmark").enable("table").parse(to_markdown("t", plain))]
    assert to_html("t", blocks).count("<") == to_html("t", plain).count("<")
