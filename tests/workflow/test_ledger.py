"""The ledger: complete for every shipped paper, its pages up to date, its states and costs what config/ gives."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis.spec.items import Greater, Uncorrelated
from tests.workflow.house import ROOT
from tests.workflow.test_papers import PAPERS
from workflow import cost, ledger_pages, settings
from workflow.beforehand import ONE_SEED, told
from workflow.config import Project
from workflow.ledger import ABSENT, OURS, PRINTED, READY, Cost, Item, Ledger, Row, kept
from workflow.models import Content
from workflow.strict_yaml import ConfigError


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger(ROOT)


def test_no_page_is_stale(ledger: Ledger):
    """`python -m workflow ledger` writes them anew."""
    assert [path.name for path in ledger_pages.stale(ledger)] == []


def test_every_figure_and_table_is_what_a_row_shows_or_is_said_to_be_beyond_the_paper(ledger: Ledger):
    assert sorted(ledger.papers) == sorted(PAPERS)
    assert {paper: ledger.unnamed(paper) for paper in PAPERS} == {paper: [] for paper in PAPERS}


def test_what_is_kept_is_of_a_figure_or_table_that_there_is(ledger: Ledger):
    found = {paper: {item.id for item in described.items} for paper, described in ledger.papers.items()}
    assert [key for key in ledger.pictures if key[0] in found and key[1] not in found[key[0]]] == []


def test_hours_are_those_of_plan(ledger: Ledger):
    """DRQN's run on a GPU may take 11,520 minutes on two cores; two networks play nine games."""
    assert ledger.cost(["drqn.standard"]) == Cost(18, 18 * 192 * 2, 18 * 192, 18)
    runs = list(ledger.expanded.experiment("drqn.minatar").runs())
    plan = cost.estimate([cost.Planned(run) for run in runs], cost.Here(1), cost.read_speeds(ROOT))
    assert ledger.cost(["drqn.minatar"]) == pytest.approx((6, plan.core_seconds / 3600, 0, 0))


def test_a_run_of_two_experiments_is_counted_once(ledger: Ledger):
    """The five games' best step sizes of MinAtar are among its sweep's."""
    assert ledger.cost(["minatar.stepsize", "minatar.asterix"]).runs == ledger.cost(["minatar.stepsize"]).runs == 4200
    assert ledger.cost(["drqn.minatar", "drqn.updates", "drqn.minatar"]).runs == 6 + 6 - 3


def item(experiments: list[str], picture: str | None = None, source: str = "Figure 1") -> Item:
    return Item("house", "figures", SimpleNamespace(id="a", experiments=experiments, source=source),
                Path(picture) if picture else None, None)  # fmt: skip


def test_a_row_counts_by_the_furthest_of_its_states():
    ours, printed, ready = item(["x.y"], "a.png", "in the manner of Figure 1"), item([]), item(["x.y"])
    assert [each.state for each in (ours, printed, ready)] == [OURS, PRINTED, READY]
    content = Content(name="Figure 1", shows="a curve", by=["a"])
    row = Row(content, [ready, printed, ours], Cost())
    assert row.states == [OURS, PRINTED, READY]
    assert [row.stands_in(state) for state in row.states] == [True, False, False]
    assert not Row(content, [ours, item(["x.y"], "b.png")], Cost()).stands_in(OURS)
    gone = Row(Content(name="Figure 2", shows="a drawing", absent="a drawing."), [], Cost())
    assert (gone.states, gone.stands_in(ABSENT)) == ([ABSENT], False)


def test_pictures_are_found_by_paper_and_id(tmp_path: Path):
    for place in ("config/papers/per.yaml", "docs/results/small/per_a_b.png", "docs/results/small/per_a_b.csv",
                  "docs/results/small/a_b.png", "docs/papers/per/c.md", "docs/papers/per/claims.json"):  # fmt: skip
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    assert kept(tmp_path) == {
        ("per", "a_b"): tmp_path / "docs/results/small/per_a_b.png",
        ("per", "c"): tmp_path / "docs/papers/per/c.md",
    }


def test_a_page_tells_state_target_cost_and_source(ledger: Ledger):
    page = ledger_pages.page(ledger, "drqn")
    ready = "| Figure 4 | Frostbite, DRQN and DQN | ready at the paper's scale | `figures/drqn/frostbite.pdf` "
    assert f"{ready}| 18 | ≤ 6,912 | ≤ 3,456 |" in page
    assert "| Figure 2 | the network | impossible here: a drawing without data. |  |  |  |  |" in page
    assert "| `optimizer.lr` | `0.1` |" in page and "- Actions last 4 frames;" in page


def test_a_claim_of_one_seed_a_game_is_said_to_have_no_verdict_before_any_run(ledger: Ledger):
    found = {item.spec.id: item.beforehand for paper in ("impala", "r2d2") for item in ledger.claims(paper)}
    one, three, printed = found["deep_better"], found["lag_hurts"], found["order_printed"]
    assert (one, three, printed) == (ONE_SEED, "", "")
    # three seeds of R2D2; of its rival without a memory one
    assert (found["memory_matters"], found["memory_matters_57"]) == ("", ONE_SEED)
    page = ledger_pages.page(ledger, "impala")
    line = "| The deep network's median is above the shallow one's. | Table 4 | 191.8 % against 93.2 % |"
    assert f"{line} {ONE_SEED} |" in page and page.count(ONE_SEED) == 3


def test_a_claim_over_all_runs_of_a_game_needs_no_second_seed(ledger: Ledger):
    claim = {"id": "a", "text": "Scores are alike.", "experiments": ["impala.hyperparameters"], "margin": 0.5}
    over_runs = Uncorrelated(kind="uncorrelated", x_metric="frames_per_second", **claim)
    within = Greater(kind="greater", a="IMPALA", b="A3C", **claim)
    assert [told(ledger.project, each) for each in (over_runs, within)] == ["", ONE_SEED]


def test_settings_are_told_line_by_line_with_their_comments():
    found = settings.read(ROOT, "drqn")
    rows = {row.key: row[1:] for row in found.rows}
    assert (found.label, found.extends) == ("DRQN", "dqn_nature")
    assert rows["learning.clock.every_frames"] == ("4", "every action")
    core = "{ kind: lstm, before: [], units: 512, inputs: false }"
    assert rows["network.core"] == (core, "in place of the fully connected layer")
    assert rows["agent.rescale_epsilon"] == ("null", "")


ROWS = [
    ("- { name: Figure 1, shows: a, by: [curvs] }",
     "contents.0.by.0: no figure, table or claim 'curvs'; did you mean 'curves'?"),
    ("- { name: Figure 1, shows: a, by: [hose.curves] }",
     "contents.0.by.0: unknown paper 'hose'; did you mean 'house'?"),
    ("- { name: Figure 1, shows: a, by: [curves, curves] }", "contents.0.by: 'curves' is given twice"),
    ("- { name: Figure 1, shows: a, by: [house.better] }\n- { name: Figure 1, shows: b, absent: c. }",
     "contents.1.name: 'Figure 1' is taken by contents.0"),
    ("- { name: Figure 1, shows: a }", "contents.0: either 'by' or 'absent' is wanted: neither is given"),
    ("- { name: Figure 1, shows: a, by: [curves], absent: c. }",
     "contents.0: either 'by' or 'absent' is wanted, not both"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "message"), ROWS)
def test_what_is_wrong_with_a_row_is_said(project: Path, rows: str, message: str):
    path = project / "config/papers/house.yaml"
    path.write_text(f"{path.read_text()}contents:\n{rows}\n")
    with pytest.raises(ConfigError) as error:
        Project(project).paper("house")
    assert message in str(error.value)
