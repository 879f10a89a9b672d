"""Pages of a package: every public class and function with what its docstring says, in the words of Sphinx's Python."""

from __future__ import annotations

import ast

from manual import symbols


def package(names: str) -> str:
    """Markdown of all modules of the packages that are named, apart by spaces; one named alone is a module."""
    return "\n\n".join(module(each) for name in names.split() for each in modules(name))


def modules(name: str) -> list[str]:
    """A package's modules, those of its packages too, that say what they are for."""
    path = symbols.path_of(name)
    if path.name != "__init__.py":
        return [name]
    root = path.parent
    found = sorted(
        ".".join([name, *file.relative_to(root).with_suffix("").parts]).removesuffix(".__init__")
        for file in root.rglob("*.py")
        if not file.name.startswith("_") or file.name == "__init__.py"
    )
    return [each for each in found if ast.get_docstring(symbols.tree(each))]


def module(name: str) -> str:
    """Markdown of a module."""
    tree = symbols.tree(name)
    parts = [f"## {name.partition('.')[2] or name}", f"```{{py:module}} {name}\n```", symbols.said(tree)]
    return "\n\n".join([*parts, *(_described(name, each) for each in symbols.public(tree))])


def _described(module: str, node: symbols.Symbol) -> str:
    told = f"{symbols.said(node)}\n\n{{src}}`{module}:{node.name}`"
    if isinstance(node, ast.ClassDef):
        inner = "\n\n".join(_method(each) for each in symbols.public(node))
        return f"````{{py:class}} {node.name}{symbols.signature(node)}\n{told}\n\n{inner}\n````"
    return f"```{{py:function}} {node.name}{symbols.signature(node)}\n{told}\n```"


def _method(node: symbols.Symbol) -> str:
    if symbols.is_property(node):
        return f"```{{py:property}} {node.name}\n{symbols.said(node)}\n```"
    return f"```{{py:method}} {node.name}{symbols.signature(node)}\n{symbols.said(node)}\n```"


def equations(names: str) -> str:
    """What functions, classes and modules say of themselves, each with the line where it stands."""
    return "\n\n".join(_equation(name) for name in names.split())


def _equation(name: str) -> str:
    module, _, attribute = name.partition(":")
    if not attribute:
        return _entry(f"{{py:mod}}`{module}`", symbols.tree(module))
    node = symbols.find(name)
    kind = "class" if isinstance(node, ast.ClassDef) else "meth" if "." in attribute else "func"
    return _entry(f"{{py:{kind}}}`{attribute} <{module}.{attribute}>` · {{src}}`{name}`", node)


def _entry(term: str, node: ast.Module | symbols.Symbol) -> str:
    told = "\n".join(f"  {line}".rstrip() for line in symbols.said(node).splitlines())
    return f"{term}\n: {told.lstrip()}"
