"""The site: built once without a warning, every link of it leads somewhere, and every key says what it is for."""

from __future__ import annotations

import html
import importlib.util
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from analysis.load import SCORES
from analysis.metrics import METRICS
from manual import api, bibliography, blocks, configuration, notebook, pages, reach, sources, symbols, tables
from tests import browser
from tests.browser import in_browser
from workflow.site import build

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BUILDS = all(importlib.util.find_spec(name) for name in ("sphinx", "myst_parser", "furo"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, by the command that the README names."""
    if not BUILDS:
        pytest.skip("the packages of the extra `docs` are not installed")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "workflow", "docs", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.split()[-1] == str(out / "index.html"), done.stdout + done.stderr
    return out


def test_without_the_packages_of_the_site_one_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="No module named 'sphinx'"):  # which the command tells in its words
        build(ROOT, tmp_path)
    assert list(tmp_path.iterdir()) == []


@cache
def ids(page: Path) -> set[str]:
    return set(re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8")))


def broken(page: Path) -> list[str]:
    """Links and pictures of a page within the site that lead nowhere."""
    found = []
    for link in dict.fromkeys(re.findall(r'\b(?:href|src)="([^"]+)"', page.read_text(encoding="utf-8"))):
        at = urlsplit(html.unescape(link))
        if at.scheme or at.netloc:
            continue
        target = (page.parent / unquote(at.path)).resolve() if at.path else page
        if not target.is_file() or (at.fragment and target.suffix == ".html" and at.fragment not in ids(target)):
            found.append(link)
    return found


def test_every_link_leads_somewhere(site: Path):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 60
    assert {str(page.relative_to(site)): links for page in pages if (links := broken(page))} == {}


def test_nothing_is_fetched_from_elsewhere(site: Path):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//[^"]*"', text) == [], page


def test_every_page_of_docs_is_there(site: Path):
    assert [page for page in PAGES if not (site / page.relative_to(ROOT / "docs")).with_suffix(".html").is_file()] == []


def test_papers_link_to_themselves(site: Path):
    page = (site / "papers/a3c.html").read_text(encoding="utf-8")
    assert 'href="https://arxiv.org/abs/1602.01783"' in page


def test_a_page_of_code_that_is_gone_goes(tmp_path: Path):
    gone, made = (tmp_path / "code" / f"{name}.html" for name in ("agents/gone.py", "agents/dqn.py"))
    gone.parent.mkdir(parents=True)
    gone.write_text("old")
    sources.write(tmp_path)
    assert not gone.exists() and "class DQN" in made.read_text(encoding="utf-8")


def test_equations_lead_to_their_lines(site: Path):
    page = (site / "algorithms/value.html").read_text(encoding="utf-8")
    file, line = symbols.line("agents.losses.value:q_loss").split(":")
    assert f'href="../code/{file}.html#L{line}"' in page
    code = (site / f"code/{file}.html").read_text(encoding="utf-8")
    assert f'<span id="L{line}"><a href="#L{line}">{line:>3}</a>  def q_loss(' in code
    assert page.count("<math") > 5


WIDTHS = [360, 800, 1200, 1400]
# What leaves the window without a frame that scrolls, and what a frame that does not scroll cuts off.
PROBE = """<script>addEventListener("load", () => {
  const flows = (e) => ["auto", "scroll", "hidden"].includes(getComputedStyle(e).overflowX);
  const held = (e) => { for (e = e.parentElement; e; e = e.parentElement) if (flows(e)) return true; return false; };
  const all = [...document.querySelectorAll("article *")];
  const hides = (e) => getComputedStyle(e).overflowX === "hidden" && e.clientWidth > 2;
  const cut = (e) => hides(e) && e.scrollWidth > e.clientWidth + 1;
  const out = all.filter((e) => (e.getBoundingClientRect().right > innerWidth + 1 && !held(e)) || cut(e));
  const broken = [...document.images].filter((i) => !i.complete || i.naturalWidth === 0);
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const scrolls = [...document.querySelectorAll(".table-wrapper")].filter((e) => e.scrollWidth > e.clientWidth + 1);
  const equations = document.querySelectorAll("math").length > 0;
  parent.postMessage([innerWidth, wide, out.length, broken.length, equations, scrolls.length], "*");
});</script></body>"""


@in_browser
def test_pages_fit_four_widths_in_a_browser(site: Path, tmp_path: Path):
    frames = []
    for place in (Path("algorithms/value.html"), Path("reference/config_run.html"), Path("papers/sn.html")):
        text = (site / place).read_text(encoding="utf-8").replace("</body>", PROBE).replace('loading="lazy"', "")
        (site / place).with_suffix(".probed.html").write_text(text, encoding="utf-8")
        frames += [(f"{place.with_suffix('.probed.html')}", f"width:{width}px") for width in WIDTHS]
    found, _ = browser.look(site, frames, tmp_path)
    assert sorted(width for width, *_ in found) == sorted(WIDTHS * 3)
    assert [rest[:3] for _, *rest in found] == [[0, 0, 0]] * 12
    assert sum(rest[3] for _, *rest in found) == 4  # the page with equations
    assert [scrolls for width, *_, scrolls in found if width >= 1200] == [0] * 6  # all columns of all tables are seen


@pytest.mark.parametrize("name", configuration.PAGES)
def test_every_key_says_what_it_is_for(name: str):
    assert configuration.silent(configuration.PAGES[name]) == []


def test_a_key_without_a_word_is_found():
    from pydantic import BaseModel, Field

    class Inner(BaseModel):
        size: int

    class Outer(BaseModel):
        inner: Inner = Field(description="told")
        other: int | None = None

    page = configuration.Page("made_up", {"Outer": Outer})
    assert configuration.silent(page) == ["Outer.other", "Inner.size"]


def test_what_a_key_takes_is_told():
    text = configuration.page("run")
    lines = text.splitlines()
    assert (
        "| `capacity_steps` | integer ≥ 1, agent steps | observations kept, agent steps; the oldest make room |"
        in lines
    )
    (select,) = (line for line in lines if line.startswith("| `select` | [uniform](#config-run-uniformselect) · "))
    assert select.endswith(" · [rank](#config-run-rankselect) | which of what is kept is drawn |")
    assert "### `memory.select: uniform`" in text


def test_columns_are_those_that_are_written():
    assert "| `frame` | int64 | frames | training frames when the episode ended |" in tables.columns()
    assert list(tables.OF_SCORES) == SCORES.names


def test_a_notebook_is_run_cell_by_cell():
    names: dict = {}
    assert notebook.run("a = 2", names) == []
    assert notebook.run("print('x')\na + 1", names) == ["```text\nx\n3\n```"]
    assert notebook.run("a + 1;", names) == []
    with pytest.raises(ZeroDivisionError):
        notebook.run("1 / 0", names)
    cells = json.loads((ROOT / "docs/reference/reading.ipynb").read_text())["cells"]
    assert all(not cell.get("outputs") for cell in cells)


def test_docstrings_are_read_and_not_imported():
    assert symbols.line("agents.losses.value:Scalar.loss").startswith("agents/losses/value.py:")
    assert symbols.signature(symbols.find("agents.losses.rescale:h")) == "(x, epsilon)"
    assert symbols.signature(symbols.find("agents.losses.quantile:Quantile")) == "(quantiles, kappa)"
    with pytest.raises(LookupError, match=re.escape("agents.losses.value has no nothing")):
        symbols.find("agents.losses.value:nothing")
    assert "agents.losses.value" in api.modules("agents.losses") and api.modules("agents.dqn") == ["agents.dqn"]


def test_blocks_are_filled_before_a_page_is_read():
    assert blocks.fill("a\n```{made} textwrap:dedent  x y\n```\nb") == "a\nx y\nb"
    assert blocks.fill("a\n```{made} manual.tables:scores\n```\nb").startswith(
        "a\n| column | type | unit | meaning |\n"
    )


def test_every_algorithm_has_a_page():
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs/algorithms").glob("[!i]*.md")]
    asked = [words for page in pages for words in re.findall(r"manual.tables:algorithms ([^`]*)\n```", page)]
    text = "".join(map(tables.algorithms, asked))
    names = {path.stem for path in (ROOT / "config/algorithms").glob("*.yaml")}
    assert {name for name in names if f"[{name}]" not in text} == set()


def test_an_algorithm_has_the_equations_that_it_computes_and_no_others():
    made = pages.algorithms()
    assert set(made) == {path.stem for path in (ROOT / "config/algorithms").glob("*.yaml")}
    has = {
        "dqn_minatar": "value:q_loss", "m_dqn_minatar": "munchausen:munchausen_term", "trpo": "policy:surrogate",
        "a2c_gae": "vtrace:gae", "acer": "retrace:retrace", "r2d2": "rescale:h", "iqn": "implicit:Implicit.loss",
        "dreamer": "imagination:lambda_returns", "c51": "categorical:project", "unrolled_q": "unrolled:td_loss",
    }  # fmt: skip
    assert {name for name, code in has.items() if f"{{src}}`agents.losses.{code}`" not in made[name]} == set()
    assert "{src}`agents.nets.heads:Dueling`" in made["dueling"] and "heads:Dueling" not in made["dqn_minatar"]
    assert "memory.rank:Rank" in made["prioritized_rank"] and "proportional:" not in made["prioritized_rank"]
    assert "policy:surrogate" not in made["a2c"] and "value:Scalar" not in made["c51"]
    assert all("## Equations\n\n" in text and "{src}`agents." in text for text in made.values())
    uses = made["rainbow_minatar"].partition("## Where it is used")[2]
    assert "(../../papers/rainbow.md) | `minatar` | `minatar_curves`, " in uses


def test_what_a_function_uses_is_found():
    code = ["agents.policy.trpo:TRPO"]
    found = reach.reached(code, ["agents.losses.vtrace:gae"])
    assert {"agents.losses.policy:surrogate", "agents.optim.conjugate:conjugate_gradients"} < found
    assert "agents.losses.vtrace:gae" not in found and "agents.losses.vtrace:vtrace" not in found


def test_a_metric_says_where_it_stands_and_where_it_is_drawn():
    made = pages.metrics()
    assert set(made) == set(METRICS)
    assert "`value` in `learning.parquet`" in made["policy_lag"] and "learning.parquet" not in made["training_return"]
    assert "summary.parquet" not in made["hours"] and "- {src}`analysis.clocks:readings`" in made["hours"]
    drawn = made["td_error"].partition("## Where it is drawn")[2]
    assert re.search(r"\(\.\./\.\./papers/per\.md\) \| figures \| `", drawn), drawn
    assert "The name goes on with the condition" in made["return_"]


def test_pages_of_what_is_gone_go(tmp_path: Path):
    gone = tmp_path / pages.ALGORITHMS / "gone.md"
    gone.parent.mkdir(parents=True)
    gone.write_text("old")
    pages.write(tmp_path)
    names = {path.stem for path in gone.parent.glob("*.md")}
    assert names == set(pages.algorithms()) and len(list((tmp_path / pages.OF_METRICS).glob("*.md"))) == len(METRICS)


def test_the_bibliography_is_that_of_the_papers():
    assert bibliography.FILE.read_text(encoding="utf-8") == bibliography.text(), "run `python -m manual.bibliography`"
    entries = {entry.partition(",")[0]: entry for entry in bibliography.text().split("\n@misc{")[1:]}
    assert "author = {Tom Schaul and John Quan and Ioannis Antonoglou and David Silver}," in entries["schaul2016per"]
    assert "eprint = {1511.05952}," in entries["schaul2016per"] and len(entries) == 17  # our selections are no papers
