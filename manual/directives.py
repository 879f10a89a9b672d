"""What the pages may say beside Markdown: blocks that a function of ours fills, lines of code by name, mathematics."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxRole

from agents.spec.base import load
from manual import symbols

MADE = re.compile(r"^```\{made\} (\S+)(?:[ ]([^`]*?))?\n```$", flags=re.MULTILINE)


class Line(SphinxRole):
    """`file:line` of `module:attribute`, leading to the code; a name that nothing has is a warning, so no build."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        try:
            text = symbols.line(self.text)
        except LookupError as error:
            message = self.inliner.reporter.warning(str(error), line=self.lineno)
            return [nodes.literal(text=self.text)], [message]
        module, _, attribute = self.text.partition(":")
        page = self.env.app.builder.get_relative_uri(self.env.docname, f"_modules/{module.replace('.', '/')}")
        return [nodes.reference("", "", nodes.literal(text=text), refuri=f"{page}#{attribute}", internal=True)], []


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Before a page is read: fill its blocks, and give the tables that lie beside a paper's page a title."""
    source[0] = MADE.sub(lambda block: load(block[1])(*filter(None, [block[2]])), source[0])
    if page.startswith("papers/") and page.count("/") == 2:
        _, paper, table = page.split("/")
        source[0] = f"---\norphan: true\n---\n# {paper}: {table}\n\n{source[0]}"


def code(app: Sphinx, module: str) -> tuple[str, dict[str, Any]]:
    """A module's text and where its parts stand in it, read and not imported."""
    analyzer = ModuleAnalyzer.for_file(symbols.path_of(module), module)
    analyzer.find_tags()
    return analyzer.code, analyzer.tags


def inline_math(writer: Any, node: nodes.math) -> None:
    """MathML, which browsers draw by themselves."""
    writer.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def block_math(writer: Any, node: nodes.math_block) -> None:
    """The same, on lines of its own."""
    writer.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_role("src", Line())
    app.connect("source-read", fill)
    app.connect("viewcode-find-source", code)
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
