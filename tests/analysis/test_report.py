"""The report: complete, self-contained and escaped."""

import html
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from analysis.claims import check
from analysis.errors import UserError
from analysis.figure import make_figure
from analysis.page.cost import Watts
from analysis.page.drawn import vector
from analysis.page.front import counts
from analysis.report import make_report
from analysis.spec.items import claims_adapter, figure_adapter, table_adapter
from analysis.table import make_table
from tests.analysis import fake, report_page
from tests.analysis.conftest import REFERENCE
from tests.analysis.test_figures import SPECS
from tests.analysis.test_tables import DREAMER
from tests.browser import in_browser

EVIL = "<script>alert(1)</script>\"'&"


def _papers():
    figures = [SPECS[kind] | {"id": kind, "kind": kind, "title": f"{kind} {EVIL}", "source": "Figure 1"}
               for kind in ("learning_curves", "published_bars")]  # fmt: skip
    return [
        {
            "paper": "demo", "title": f"A paper {EVIL}", "authors": ["Ann <b>", "Bo"], "year": 2021,
            "url": "https://arxiv.org/abs/2105.05246", "figures": [*figures, {"id": "absent", "title": "Absent"}],
            "tables": [DREAMER], "deviations": [f"shorter {EVIL}"],
        },
        {"paper": "other", "title": "Other", "url": "javascript:alert(2)", "figures": [], "tables": []},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def site(house, reference, tmp_path_factory):
    """A report of the fake runs; (folder, page path)."""
    folder = tmp_path_factory.mktemp("report")
    papers = _papers()
    for item in papers[0]["figures"][:2]:
        make_figure(
            figure_adapter.validate_python(item),
            house.scores,
            reference,
            folder / "figures/demo" / item["id"],
        )
    make_table(table_adapter.validate_python(DREAMER), [], reference, folder / "figures/demo/table1")
    claims = [
        {"id": "a", "kind": "greater", "text": f"SN helps {EVIL}", "experiments": ["demo.breakout"],
         "a": "DQN SN[-2]", "b": "DQN"},
        {"id": "b", "kind": "greater", "text": "T", "experiments": ["demo.breakout"], "a": "DQN", "b": 1.0,
         "at_least": "paper"},
        {"id": "p", "kind": "published_below", "text": "T", "game_set": "atari57", "below": "r2d2_below_human5",
         "scores": {"paper": "kapturowski2019_r2d2", "algorithm": "R2D2"}},
        {"id": "q", "kind": "published_below", "text": "T", "game_set": "atari57", "below": "atari57",
         "scores": {"paper": "kapturowski2019_r2d2", "algorithm": "R2D2"}},
        {"id": "w", "kind": "greater", "text": "T", "experiments": ["demo.atari"], "normalisation": "standard",
         "a": "C51", "b": "DQN"},
        {"id": "i", "kind": "greater", "text": "T", "experiments": ["demo.parts"], "games": ["atari/pong"],
         "a": "Rainbow", "b": "DQN"},
    ]  # fmt: skip
    check(claims_adapter.validate_python(claims), house.scores, reference, folder / "claims/demo.json")
    build(folder, house, papers)
    return folder, folder / "report/index.html"


def build(folder, house, papers):
    claims = [folder / "claims/demo.json"]
    make_report(
        papers, folder / "figures", claims, house.experiments, house.runs, folder / "report/index.html",
        reference=REFERENCE, watts=Watts(12, 400, 1.67),
    )  # fmt: skip


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.open = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if "id" in dict(attrs):
            self.ids.append(dict(attrs)["id"])

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(site):
    return Page(site[1].read_text(encoding="utf-8"))


def test_nothing_is_fetched_and_every_link_leads_somewhere(site, page):
    assert [a for a in page.all("link")] == [] and all("src" not in a for a in page.all("script"))
    assert all(a["src"].startswith("data:image/svg+xml;base64,") for a in page.all("img"))
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'") and "script-src 'sha256-" in policy
    assert len(page.ids) == len(set(page.ids))
    for anchor in page.all("a"):
        target = anchor["href"]
        if target.startswith("#"):
            assert target[1:] in page.ids, target
        elif not target.startswith("https://arxiv.org/"):
            assert (site[1].parent / unquote(target)).is_file(), target


def test_text_from_configs_is_escaped(site, page):
    text = site[1].read_text(encoding="utf-8")
    assert "<script>alert" not in text and html.escape("<script>alert(1)</script>") in text
    assert len(page.all("script")) == 1
    assert not any(a["href"].startswith("javascript:") for a in page.all("a"))
    assert all(not key.startswith("on") for _, attrs in page.tags for key in attrs)


def test_what_the_front_says(site):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", site[1].read_text(encoding="utf-8")))
    assert "45 / 47 runs finished, 1 diverged, 1 missing" in text
    assert "Scale reduced: 60k of the paper&#39;s 5M frames" in text
    front = text[: text.index("Verdict")]
    for tile in (
        "2 claims reproduced by our runs (1 weak, with fewer than three seeds)",
        "1 claim recomputed from published numbers",
        "1 claim not reproduced (1 by published numbers alone)",
        "1 claim inconclusive",
        "1 claim not run at this scale",
    ):
        assert tile in front, front
    cells = re.findall(r'<td data-label="Verdict">(.*?)</td>', site[1].read_text(encoding="utf-8"))
    scale = "reduced scale: 60k of 5M frames"
    assert [re.findall(r">([^<>]+)</span>", cell) for cell in cells] == [
        ["reproduced", scale],
        ["not run at this scale"],
        ["recomputed"],
        ["not reproduced"],
        ["reproduced", "weak: n = 2 seeds", scale],
        ["inconclusive", "weak: n = 1 seed", scale],
    ]
    assert "This figure has not been drawn." in text
    assert "8.852 (8.85)" in text and "method &#39;rliable&#39;" in text


@pytest.mark.parametrize(
    ("verdicts", "tiles"),
    [
        ((), []),
        # a page of published numbers alone says that no run of ours reproduced anything
        (("recomputed",) * 2, [0, 2, 0, 0]),
        (("reproduced", "inconclusive"), [1, 0, 0, 1, 0]),
    ],
)
def test_the_front_tells_four_things_apart_even_where_there_is_none(verdicts, tiles):
    claims = [{"verdict": verdict, "weak": False, "basis": "runs"} for verdict in verdicts]
    assert [count for _, count, _ in counts([{"claims": claims}])] == tiles


def test_run_table_has_every_run_with_its_status(site, page, house):
    planned = {entry["run"] for path in house.experiments for entry in json.loads(path.read_text())["runs"]}
    assert {name.removeprefix("run-") for name in page.ids if name.startswith("run-")} == planned
    text = site[1].read_text(encoding="utf-8")
    last = float(fake.curve(4.0, seed=1000)[1][-1])
    row = text[text.index(f'id="run-{fake.run_name("breakout", 1, "minatar/breakout", 0)}"') :]
    row = row[: row.index("</tr>")]
    assert f'data-value="{last!r}"' in row and ">60k<" in row and 'data-value="1234.5"' in row


def test_same_inputs_same_page(site, house):
    before = site[1].read_bytes()
    build(site[0], house, _papers())
    assert site[1].read_bytes() == before


def test_published_only_and_empty_reports(tmp_path):
    make_report([{"paper": "p", "title": "P"}], tmp_path, [], [], tmp_path, tmp_path / "index.html")
    text = (tmp_path / "index.html").read_text()
    assert "No experiment was run" in text and "No claim is checked" in text


def test_mistakes_are_explained(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    (tmp_path / "bad.json").write_text("{")
    args = tmp_path, tmp_path / "index.html"
    with pytest.raises(UserError, match="claims of papers that the report does not have: x"):
        make_report([{"paper": "p"}], tmp_path, [tmp_path / "x.json"], [], *args)
    with pytest.raises(UserError, match=r"bad\.json as JSON"):
        make_report([{"paper": "p"}], tmp_path, [], [tmp_path / "bad.json"], *args)
    (tmp_path / "e.json").write_text('{"paper": "p"}')
    with pytest.raises(UserError, match=r"e.json: no key experiment, scale, runs"):
        make_report([{"paper": "p"}], tmp_path, [], [tmp_path / "e.json"], *args)


@pytest.mark.parametrize("name", ["learning_curves.csv", "learning_curves.json", "learning_curves.svg", "table1.json"])
@pytest.mark.parametrize("damaged", [b"", b"[]", None])
def test_what_is_damaged_is_told_with_what_to_do(site, house, name, damaged):
    path = site[0] / "figures/demo" / name
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[: len(whole) // 2] if damaged is None else damaged)
        with pytest.raises(UserError, match=rf"{name}.*; delete this file, and the same command makes it anew$"):
            build(site[0], house, _papers())
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("kept", [0, 100])  # bytes
def test_a_damaged_picture_in_place_of_a_large_svg_is_told_too(site, house, kept, monkeypatch):
    monkeypatch.setattr("analysis.report.LARGE", 0)
    path = site[0] / "figures/demo/learning_curves.png"
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:kept])
        with pytest.raises(UserError, match=r"curves\.png: this is not what was written there; delete this file"):
            build(site[0], house, _papers())
    finally:
        path.write_bytes(whole)


def test_xml_that_is_no_picture_is_told(tmp_path):
    (tmp_path / "a.svg").write_text("<html></html>")
    with pytest.raises(UserError, match=r"a\.svg: this is not what was written there; delete this file, and the same"):
        vector(tmp_path / "a.svg")


def test_a_lost_csv_is_told_with_what_to_do(site, house):
    path = site[0] / "figures/demo/learning_curves.csv"
    whole = path.read_bytes()
    path.unlink()
    try:
        with pytest.raises(UserError, match=r"curves\.csv, which was written with its figure; the same command"):
            build(site[0], house, _papers())
    finally:
        path.write_bytes(whole)


def test_what_is_known_of_a_claim_before_any_run_stands_beside_its_verdict(site, house, tmp_path):
    papers = _papers()
    papers[0]["beforehand"] = {"b": "one seed a game: no verdict"}
    claims = [site[0] / "claims/demo.json"]
    make_report(papers, site[0] / "figures", claims, house.experiments, house.runs, tmp_path / "index.html")
    cells = re.findall(r'<td data-label="Verdict">(.*?)</td>', (tmp_path / "index.html").read_text(encoding="utf-8"))
    assert [re.findall(r">([^<>]+)</span>", cell) for cell in cells if "one seed a game" in cell] == [
        ["not run at this scale", "one seed a game: no verdict"]
    ]


@pytest.mark.parametrize("name", ["figures/demo/learning_curves.json", "figures/demo/table1.json", "claims/demo.json"])
@pytest.mark.parametrize("other", [{}, {"head": 1, "body": 2}, [1], [{"id": "a"}]])
def test_json_of_another_shape_is_told_with_what_to_do(site, house, name, other):
    path = site[0] / name
    whole = path.read_bytes()
    try:
        path.write_text(json.dumps(other))
        with pytest.raises(UserError, match=f"{name}: this is not what was written there; delete this file, and the"):
            build(site[0], house, _papers())
    finally:
        path.write_bytes(whole)


@pytest.fixture(scope="module")
def looked(site, tmp_path_factory):
    return report_page.look(site[1], tmp_path_factory.mktemp("browser"))


@in_browser
def test_the_console_is_silent(looked):
    assert looked[1] == []


@in_browser
@pytest.mark.parametrize("name", report_page.FRAMES)
def test_nothing_overflows_or_is_fetched(looked, name):
    probe = looked[0][name]
    assert "error" not in probe, probe
    assert (probe["width"], probe["dark"]) == (report_page.FRAMES[name][0], report_page.FRAMES[name][1] == "dark")
    assert probe["images"] == 2 and probe["broken"] == probe["clipped"] == 0 and probe["outside"] == []
    assert probe["overflow"] <= 0 and probe["wider"] <= 0


@in_browser
@pytest.mark.parametrize("name", report_page.FRAMES)
def test_axe_finds_no_fault(looked, name):
    assert looked[0][name]["axe"] == []


@in_browser
def test_on_a_narrow_screen_lists_begin_beside_their_marks_and_cut_tables_have_a_shadow(looked):
    probe = looked[0]["narrow"]
    assert len(probe["marks"]) == 5 and all(probe["marks"])
    assert probe["shaded"] and all(probe["shaded"])


@in_browser
def test_runs_are_sorted_and_filtered(looked):
    probe = looked[0]["wide"]
    assert probe["sorted"] is True and probe["filtered"] == "1 of 47 runs"


@in_browser
def test_curves_are_explored_by_keyboard(looked):
    probe = looked[0]["narrow"]
    assert probe["canvases"] == 1
    assert re.fullmatch(
        r"Breakout \(MinAtar\) Environment frames: 60k: DQN SN\[-2\] [\d.]+, DQN [\d.]+, .*", probe["said"]
    )
    assert "DQN SN[-2]" in probe["without"] and probe["without"] != probe["said"]
    assert " hours: " in probe["hours"]
