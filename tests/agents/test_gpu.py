"""A GPU for each run, on a machine whose nvidia-smi is a stand-in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.run import gpu

TWO = """GPU 0: NVIDIA A100 (UUID: GPU-aaaa-1)
GPU 1: NVIDIA A100 (UUID: GPU-bbbb-2)
"""
CUT = """GPU 0: NVIDIA A100 (UUID: GPU-aaaa-1)
  MIG 1g.5gb      Device  0: (UUID: MIG-c0)
  MIG 1g.5gb      Device  1: (UUID: MIG-c1)
GPU 1: NVIDIA A100 (UUID: GPU-bbbb-2)
"""


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Gives nvidia-smi its words; before that there is none."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(gpu, "_held", [])

    def say(text: str, code: int = 0) -> None:
        (folder / "nvidia-smi").write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {code}\n")
        (folder / "nvidia-smi").chmod(0o755)

    yield say
    for file in gpu._held:
        os.close(file)


def test_what_is_visible(smi, tmp_path: Path):
    nowhere = tmp_path / "proc"
    if not any(Path(folder, "nvidia-smi").exists() for folder in ("/usr/bin", "/bin")):
        assert gpu.visible({}, nowhere) == []
    smi(TWO)
    assert gpu.visible({}, nowhere) == ["GPU-aaaa-1", "GPU-bbbb-2"]
    smi(CUT)
    assert gpu.visible({}, nowhere) == ["MIG-c0", "MIG-c1", "GPU-bbbb-2"]
    cases = {"": [], "-1": [], "1": ["1"], "0,1": ["0", "1"], "1,-1,0": ["1"], "GPU-bbbb-2": ["GPU-bbbb-2"]}
    assert {given: gpu.visible({"CUDA_VISIBLE_DEVICES": given}, nowhere) for given in cases} == cases
    smi("NVIDIA-SMI has failed\n", 9)
    assert gpu.visible({}, nowhere) == []
    (nowhere / "0000:01:00.0").mkdir(parents=True)
    (nowhere / "0000:01:00.0/information").write_text("Model: \t A100\nGPU UUID: \t GPU-eeee-5\nDevice Minor: 0\n")
    assert gpu.visible({}, nowhere) == ["GPU-eeee-5"]


def test_each_run_has_a_gpu_of_its_own(smi, tmp_path: Path):
    smi(TWO)
    environments: list[dict[str, str]] = [{}, {}, {}]
    chosen = [gpu.claim(environment, tmp_path / "locks") for environment in environments]
    assert chosen == ["GPU-aaaa-1", "GPU-bbbb-2", "GPU-aaaa-1"]  # more runs than GPUs: the first is shared
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in environments] == chosen


def test_a_gpu_is_free_again_when_its_process_is_gone(smi, tmp_path: Path):
    smi(TWO)
    code = (
        "import sys, pathlib\nfrom agents.run import gpu\n"
        "print(gpu.claim({}, pathlib.Path(sys.argv[1])), flush=True)\nsys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "locks")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "GPU-aaaa-1\n"
    assert gpu.claim({}, tmp_path / "locks") == "GPU-bbbb-2"
    child.kill()
    child.communicate()
    assert gpu.claim({}, tmp_path / "locks") == "GPU-aaaa-1"


def test_a_choice_that_is_made_is_left_alone(smi, tmp_path: Path):
    smi(TWO)
    for given in ("", "-1", "0", "GPU-bbbb-2"):
        environment = {"CUDA_VISIBLE_DEVICES": given}
        assert gpu.claim(environment, tmp_path / "locks") is None
        assert environment == {"CUDA_VISIBLE_DEVICES": given}
    job = {"SLURM_JOB_ID": "7"}
    assert gpu.claim(job, tmp_path / "locks") is None and job == {"SLURM_JOB_ID": "7"}
    smi("")
    assert gpu.claim(alone := {}, tmp_path / "locks") is None and alone == {}


def test_among_those_that_are_left_one_is_taken(smi, tmp_path: Path):
    """By number or by UUID, a GPU is the same one."""
    smi(TWO + "GPU 2: NVIDIA A100 (UUID: GPU-cccc-3)\n")
    assert gpu.claim({}, tmp_path / "locks") == "GPU-aaaa-1"
    environment = {"CUDA_VISIBLE_DEVICES": "0,2", "SLURM_JOB_ID": "7"}
    assert gpu.claim(environment, tmp_path / "locks") == "2"
    assert environment["CUDA_VISIBLE_DEVICES"] == "2"
