"""What the pages may say beside Markdown: blocks that a function of ours fills, lines of code by name, mathematics."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

from manual import blocks, pages, sources, symbols

LOG = logging.getLogger(__name__)


class Line(SphinxRole):
    """`file:line` of `module:attribute`, leading to the code; a name that nothing has is a warning, so no build."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The link, or what is wrong with the name."""
        try:
            text = symbols.line(self.text)
        except LookupError as error:
            return [nodes.literal(text=self.text)], [self.inliner.reporter.warning(str(error), line=self.lineno)]
        file, _, line = text.partition(":")
        above = "../" * self.env.docname.count("/")
        uri = f"{above}{sources.FOLDER}/{file}.html#L{line}"
        return [nodes.reference("", "", nodes.literal(text=text), refuri=uri, internal=True)], []


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Before a page is read: fill its blocks; tables beside pages get a title, and the papers' index its pages."""
    source[0] = blocks.fill(source[0])
    folder, _, name = page.rpartition("/")
    if folder.startswith(("papers/", "results/")):
        source[0] = f"---\norphan: true\n---\n# {folder.partition('/')[2]}: {name}\n\n{source[0]}"
    if page == "papers/README":
        source[0] += "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"


def lean(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """The tree of pages beside each page, of their titles alone: of all headings, to drop them then, it takes long."""
    whole, tocs = context["toctree"], app.env.tocs

    def tree(**asked: Any) -> str:
        app.env.tocs = _titles(app.env)
        try:
            return whole(**asked)
        finally:
            app.env.tocs = tocs

    context["toctree"] = tree


@functools.cache
def _titles(env: BuildEnvironment) -> dict[str, nodes.bullet_list]:
    """Page -> its contents without its headings; asked once all is read."""
    found = {}
    for page, toc in env.tocs.items():
        item = nodes.list_item("", toc[0][0].deepcopy())
        if below := [each.deepcopy() for each in toc.findall(addnodes.toctree)]:
            item += nodes.bullet_list("", *below)
        found[page] = nodes.bullet_list("", item)
    return found


def inline_math(writer: Any, node: nodes.math) -> None:
    """MathML, which browsers draw by themselves."""
    writer.body.append(_mathml(node, as_block=False))
    raise nodes.SkipNode


def block_math(writer: Any, node: nodes.math_block) -> None:
    """The same, on lines of its own."""
    writer.body.append(f'<div class="math">{_mathml(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def _mathml(node: nodes.Node, as_block: bool) -> str:
    try:
        return tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        LOG.warning("%s in %s", error, node.astext(), location=node)
        return ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_role("src", Line())
    app.connect("builder-inited", lambda app: pages.write(Path(app.srcdir)))  # before pages are looked for
    app.connect("source-read", fill)
    app.connect("html-page-context", lean, priority=400)  # before the theme asks for the tree
    app.connect("build-finished", lambda app, error: None if error else sources.write(Path(app.outdir)))
    app.add_html_math_renderer("mathml", (inline_math, None), (block_math, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
