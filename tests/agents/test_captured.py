"""Updates as CUDA graphs, by a stand-in (tests/agents/graphs.py): the same bits as updates that are called."""

from functools import partial

import pytest
import torch

from agents import build as building
from agents import dqn, r2d2
from agents.executors.captured import WARM, Captured
from agents.memory.pinned import Pinned
from agents.run.checkpoint import Checkpoints
from agents.run.loop import Run
from tests.agents.graphs import Cuda
from tests.agents.specs import spec
from tests.agents.test_resume import assert_same
from tests.agents.test_resume_kinds import FRAMES, KINDS, SHORT

GRAPHS = ("rainbow", "qr-dueling", "rank", "batch-norm", "gradient-penalty", "rmsprop", "r2d2", "a2c", "impala-replay")
MORE = {
    "sn": ("dqn_minatar_sn", {"spectral__layers": [-2, -3], "spectral__kind": "weights"}),
    "double-adadelta": (
        "dqn_minatar_sn",
        {
            "agent__selector": "online",
            "optimizer": {"kind": "adadelta", "lr": 0.1, "epsilon": 1e-8, "decay": 0.95},
            "learning__clip_norm": 0.5,
        },
    ),
}
UNTIL = {"impala-replay": 640}  # frames; else 160
SMALL = {
    "rainbow": {"network__units": [16], "learning__batch": 16},
    "r2d2": {
        "agent__measure_delta_q": False,
        "record__probes": [],
        "network__core": {"kind": "lstm", "before": [8], "units": 8, "inputs": False},  # one_hot asks, on the CPU
        "learning__clock__every_frames": 4,
        "learning__batch": 4,
    },
}


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Plain agents whose updates are as on a GPU; -> what makes them graphs, by a stand-in that it returns."""
    monkeypatch.setattr(dqn.small, "fits", lambda network: False)
    monkeypatch.setattr(r2d2, "mean_of", lambda x, valid: torch.where(valid, x, 0).sum() / valid.sum())

    def graphs() -> Cuda:
        cuda = Cuda()
        monkeypatch.setattr(building, "captured", lambda spec, device: True)
        monkeypatch.setattr(building, "Captured", partial(Captured, cuda=cuda))
        return cuda

    return graphs


def begin(kind: str, folder, **changes) -> Run:
    algorithm, own = {**KINDS, **MORE}[kind]
    plan = spec(algorithm, budget=FRAMES, **{**SHORT, **own, **SMALL.get(kind, {}), **changes})
    return Run(plan, Checkpoints(folder, {}, print))


def drive(run: Run, frames: int) -> Run:
    while run.frame < frames:
        assert run.iterate()
    return run


@pytest.mark.parametrize("kind", [*(kind for kind in GRAPHS if kind != "a2c"), *MORE])
def test_replayed_updates_give_the_bits_of_called_ones(kind, as_on_a_gpu, tmp_path):
    frames = UNTIL.get(kind, 160)
    called = drive(begin(kind, tmp_path / "called"), frames)
    cuda = as_on_a_gpu()
    replayed = drive(begin(kind, tmp_path / "replayed"), frames)
    updates = replayed.parts.learner.updates
    assert [graph.replays for graph in cuda.graphs] == [updates - WARM] and updates > WARM + 3
    assert_same(called.parts.state_dict(), replayed.parts.state_dict())
    assert called.recorder.tables()["learning"].equals(replayed.recorder.tables()["learning"])


def test_learning_rates_go_on_falling_under_a_graph(as_on_a_gpu, tmp_path, monkeypatch):
    """Rates are scalars on the device then, by which gradients are multiplied first: equal within rounding."""
    called = drive(begin("a2c", tmp_path / "called"), 160)
    cuda = as_on_a_gpu()
    replayed = drive(begin("a2c", tmp_path / "replayed"), 160)
    assert cuda.graphs[0].replays == replayed.parts.learner.updates - WARM
    monkeypatch.setattr(building, "Captured", Never)
    same = drive(begin("a2c", tmp_path / "same"), 160)
    assert_same(same.parts.state_dict(), replayed.parts.state_dict())
    one, two = (run.parts.learner.agent for run in (called, replayed))
    assert two.step.optimizer.rates[0].item() == pytest.approx(one.step.optimizer.rates[0])
    for name, tensor in one.online.state_dict().items():
        torch.testing.assert_close(two.online.state_dict()[name], tensor, rtol=1e-3, atol=1e-5)


class Never(Captured):
    """Calls every update."""

    def __init__(self, *given):
        super().__init__(*given, cuda=Cuda())
        self.usable = False


@pytest.mark.parametrize(
    ("kind", "cuts", "frames"), [("rainbow", (120, 140), 170), ("r2d2", (120, 140), 170), ("a2c", (120, 240), 340)]
)
def test_a_run_goes_on_under_a_graph_to_the_same_bits(kind, cuts, frames, as_on_a_gpu, tmp_path):
    """Each start calls its first updates, and records again."""
    cuda = as_on_a_gpu()
    calm = drive(begin(kind, tmp_path / "calm"), frames)
    for cut in cuts:
        run = drive(begin(kind, tmp_path / "dropped"), cut)
        run.save()
        drive(run, cut + 10)
    run = drive(begin(kind, tmp_path / "dropped"), frames)
    assert run.resumes == 2 and len(cuda.graphs) == 4
    assert_same(calm.parts.state_dict(), run.parts.state_dict())


def test_what_is_asked_of_the_gpu(as_on_a_gpu, tmp_path):
    cuda = as_on_a_gpu()
    run = begin("rainbow", tmp_path)
    while run.parts.learner.updates < WARM + 2:
        run.iterate()
    beside = ["side waits for main", "ran on side", "main waits for side"]
    assert cuda.log == [*beside * WARM, "recorded on side"]
    assert cuda.graphs[0].generators == [run.parts.learner.agent.noise]


def test_an_update_that_cannot_be_recorded_is_called(as_on_a_gpu, tmp_path, monkeypatch, capsys):
    called = drive(begin("qr-dueling", tmp_path / "called"), 120)
    asked = dqn.DQN.loss

    def asking(agent, batch):
        loss, learned = asked(agent, batch)
        assert loss.item() == loss.item()
        return loss, learned

    monkeypatch.setattr(dqn.DQN, "loss", asking)
    cuda = as_on_a_gpu()
    run = drive(begin("qr-dueling", tmp_path / "asking"), 120)
    assert_same(called.parts.state_dict(), run.parts.state_dict())
    said = capsys.readouterr().err
    assert said.count("updates are not recorded as a CUDA graph, and slower: the host asks for") == 1
    assert len(cuda.graphs) == 1 and cuda.current is cuda.main


def test_updates_that_differ_are_never_recorded(as_on_a_gpu, tmp_path):
    cuda = as_on_a_gpu()
    for kind, changes in (
        ("r2d2", {"agent__measure_delta_q": True}),
        ("drqn_sequential", {}),
        ("noisy-a3c", {}),
    ):
        run = begin(kind, tmp_path / kind, **changes)
        assert not isinstance(run.parts.learner.agent.update, Captured)
    assert not cuda.graphs


def test_on_a_gpu_updates_are_recorded_unless_the_host_reckons():
    device = torch.device("cuda")
    plain = spec("dqn_minatar_sn")
    assert building.captured(plain, device) and not building.captured(plain, torch.device("cpu"))
    assert not building.captured(spec("dqn_minatar_sn", spectral__layers=[-2], spectral__kind="lr"), device)
    assert not building.captured(spec("ac_lambda_minatar", learning__target_every_frames=None), device)


# ---------------------------------------------------------------- batches on their way


class Event:
    def __init__(self, log: list[str], name: str):
        self.log, self.name = log, name

    def record(self) -> None:
        self.log.append(f"{self.name} recorded")

    def synchronize(self) -> None:
        self.log.append(f"{self.name} waited for")


@pytest.mark.parametrize("kind", ["qr-dueling", "r2d2"])
def test_a_buffer_is_filled_again_only_when_its_batch_has_arrived(kind, as_on_a_gpu, tmp_path):
    """A batch that was sent stays what it was until the next but one, for which its event is waited for."""
    run = begin(kind, tmp_path)
    while not run.parts.learner.updates:
        run.iterate()
    memory, log = run.parts.memory, []
    names = iter("ab")
    keys = [memory.select.draw(memory.rng, memory.batch, 0) for _ in range(3)]
    plain = [memory.store.gather(*each) for each in keys]
    pinned = Pinned(torch.device("cpu"), torch.empty, lambda: Event(log, next(names)))
    sent = []
    for number, each in enumerate(keys):
        frames = pinned.frames(memory.store, memory.batch)
        if number:
            assert_same(_plain(plain[number - 1]), _plain(sent[-1]))
        sent.append(pinned.send(memory.store.gather(*each, frames)))
        assert_same(_plain(plain[number]), _plain(sent[-1]))
        assert sent[-1].obs.data_ptr() == frames.data_ptr()
    assert log == [f"{name} {did}" for name in "bab" for did in ("waited for", "recorded")]
    assert sent[0].obs.data_ptr() == sent[2].obs.data_ptr() != sent[1].obs.data_ptr()


def _plain(batch) -> dict:
    return {**batch._asdict(), "extras": dict(batch.extras)}
