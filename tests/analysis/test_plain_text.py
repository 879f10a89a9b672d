"""Names from a user's YAML are plain text wherever they are drawn or written."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text

from analysis import style
from analysis.figures import common
from analysis.files import resolve
from analysis.load import read_scores, write_scores
from analysis.markdown import escape
from analysis.reference import Reference
from analysis.spec.items import FIGURES, figure_adapter, table_adapter
from analysis.table import make_table, tex_escape
from tests.analysis import fake
from tests.analysis.test_figures import SPECS

NAMES = ["a$$b", r"$\lamda$", "a$b_c^d$e", "100%", "a_b", "<b>", "x & #1", "_hidden", "|r|", "=1+1", r"\$x\$", "{y}"]


@pytest.fixture(scope="module")
def scores(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    finals = {name: 5.0 + i for i, name in enumerate(NAMES)}
    vary = ({"optimizer.lr": 1e-4, "key$a$": 1}, {"optimizer.lr": 1e-3, "key$a$": 2})
    metrics = fake.METRICS
    fake.METRICS = ("evaluation_return", *fake.SPREAD)
    try:
        path = fake.experiment(folder, finals, ("atari/pong",), 2, "names", vary)
    finally:
        fake.METRICS = metrics
    write_scores(path, folder / "runs", folder / "names.parquet")
    return folder / "names.parquet"


ONE = {"optimizer.lr": 1e-4}
SHOWN = {  # kind -> options that put every name, and other texts of the user's, into the picture
    "learning_curves": {"where": ONE, "reference_lines": [NAMES[0]], "published": [
        {"file": "minatar_young2019_digitised.csv", "algorithm": "DQN", "source": "$x$ & <y>"}]},
    "aggregate_curves": {"where": ONE, "statistics": ["mean"], "reference_lines": [NAMES[1]]},
    "interval_bars": {"where": ONE, "statistics": ["mean"]},
    "per_game_bars": {"where": ONE},
    "heat_map": {"x": "optimizer.lr", "y": "key$a$", "x_axis": r"$\x$"},
    "sensitivity": {"where": {}, "x": "optimizer.lr", "axis": "rate $_", "published": []},
    "grid_share": {"threshold": 3.5},
    "depth_bars": {"where": {}, "x": "key$a$", "axis": "$d$"},
    "profile": {"where": ONE, "axis": "$z$", "panels": [{"title": "$t$", "axis": "$y$", "metrics": {
        "$h$": "td_error[q50]"}}]},
    "distribution": {"where": ONE, "variants": NAMES[:4]},  # it has a panel for each
    "learning_speed": {"where": ONE, "baseline": NAMES[0], "normalisation": "standard"},
    "games_above": {"where": ONE, "levels": [20], "normalisation": "standard"},
    "ablation_drops": {"where": ONE, "full": "{y}", "base": "a$$b"},
}  # fmt: skip


@pytest.mark.parametrize("kind", SHOWN)
def test_figures_show_every_name_as_it_stands(kind, scores, reference):
    spec = SPECS[kind] | {"id": "f", "kind": kind, "title": "$T$", "experiments": ["demo.names"], "published": []}
    spec |= {"game_set": None} if kind == "per_game_bars" else {}
    spec = {k: v for k, v in (spec | SHOWN[kind]).items() if k in figure_fields(kind)}
    picture = io.BytesIO()
    with style.context():
        spec = figure_adapter.validate_python(spec)
        drawing = resolve(FIGURES[kind])(spec, read_scores([scores]), Reference(reference))
        drawing.figure.savefig(picture, format="svg", metadata={"Date": None})
        texts = [each for each in drawing.figure.findobj(Text) if each.get_text()]
        assert not any(each.get_parse_math() for each in texts)
        style.plt.close(drawing.figure)
    # matplotlib names each text that it draws in a comment
    drawn = {html.unescape(text) for text in re.findall(r"<!-- (.*?) -->", picture.getvalue().decode(), re.DOTALL)}
    for name in spec.variants or NAMES:
        assert any(name == text or text.startswith((f"{name}:", f"{name},")) for text in drawn) or (
            kind == "ablation_drops" and name in ("{y}", "a$$b")
        ), name
    extra = {"heat_map": {r"$\x$", "key$a$"}, "sensitivity": {"rate $_"}, "depth_bars": {"$d$"},
             "profile": {"$z$", "$t$", "$y$", "$h$"}}  # fmt: skip
    assert extra.get(kind, set()) <= drawn
    assert not any("mathdefault" in text for text in drawn)


def figure_fields(kind: str) -> set[str]:
    models = {m.model_fields["kind"].annotation.__args__[0]: m for m in figure_adapter._type.__origin__.__args__}
    return set(models[kind].model_fields)


def test_a_legend_shows_labels_that_begin_with_an_underscore():
    with style.context():
        figure, axes = style.plt.subplots()
        (handle,) = axes.plot([0, 1])
        common.legend_below(figure, {"_a": handle, "b": handle})
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["_a", "b"]
        style.plt.close(figure)


def test_tables_keep_every_name(scores, reference, tmp_path):
    spec = {"id": "t", "kind": "final_scores", "title": "100% $T$", "experiments": ["demo.names"], "where": ONE}
    make_table(table_adapter.validate_python(spec), [scores], reference, tmp_path / "t")
    # data is for programs: names come back as they are, with no mark against spreadsheets in front
    assert set(pd.read_csv(tmp_path / "t.csv").label) == set(NAMES)
    head = (tmp_path / "t.md").read_text().splitlines()[0]
    assert len(re.findall(r"(?<!\\)\|", head)) == len(NAMES) + 2
    for name in (r"a\$\$b", r"\$\\lamda\$", r"a\$b\_c^d\$e", r"\<b\>", r"x \& #1", r"\|r\|"):
        assert f" {name} " in head
    tex = (tmp_path / "t.tex").read_text()
    for name in (r"a\$\$b", r"\$\textbackslash{}lamda\$", r"a\$b\_c\textasciicircum{}d\$e", r"100\%", r"\textless{}b"):
        assert f" {name}" in tex
    assert r"\caption{100\% \$T\$." in tex


@pytest.mark.parametrize(
    ("text", "tex", "markdown"),
    [
        ("[x] y", "{}[x] y", "[x] y"),  # after \\ a bracket would be a length
        ("*", "{}*", r"\*"),
        ("a--b", "a-{}-b", "a--b"),
        ("a\nb\tc", "a b c", "a b c"),
        ("[a](b)", "{}[a](b)", r"[a\](b)"),
        ("# 1", r"\# 1", r"\# 1"),
        ("`~|", r"\textasciigrave{}\textasciitilde{}\textbar{}", r"\`\~\|"),
        ("−1 ± 2 – 3", r"$-$1 $\pm$ 2 -- 3", "−1 ± 2 – 3"),
    ],
)
def test_escapes(text, tex, markdown):
    assert tex_escape(text) == tex and escape(text) == markdown
