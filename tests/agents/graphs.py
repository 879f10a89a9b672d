"""A stand-in for CUDA graphs, on the CPU: what `torch.cuda` does for agents/executors/captured.py.

Operations are recorded while they are done, with the tensors that they read and write and with their numbers; then all
that they changed is put back. A replay does them again on the same tensors. So a captured update that looked for
something in another place, or had a number from elsewhere, goes wrong here as it would on a GPU.
"""

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
ASK = {aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.is_nonzero.default}


def written(func, args, kwargs) -> list[torch.Tensor]:
    """The arguments that an operation writes to."""
    given = [*args, *(kwargs.get(a.name) for a in func._schema.arguments[len(args) :])]
    marked = zip(func._schema.arguments, given, strict=False)
    values = [value for argument, value in marked if argument.alias_info and argument.alias_info.is_write]
    if func is aten.native_batch_norm.default:  # its running statistics are not marked
        values += args[3:5]
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


class Recorder(TorchDispatchMode):
    def __init__(self, graph: "Graph"):
        super().__init__()
        self.graph, self.former = graph, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in ASK or (func is aten.index.Tensor and any(i is not None and i.dtype == torch.bool for i in args[1])):
            raise RuntimeError(f"the host asks for {func}")
        self.former += [(tensor, tensor.clone()) for tensor in written(func, args, kwargs)]
        out = func(*args, **kwargs)
        self.graph.calls.append((func, args, kwargs, out, torch.is_grad_enabled()))
        return out


class Graph:
    def __init__(self):
        self.calls, self.replays, self.generators = [], 0, []

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generators.append(generator)

    def replay(self) -> None:
        self.replays += 1
        with torch._C._AutoDispatchBelowAutograd():
            for func, args, kwargs, out, followed in self.calls:
                with torch.set_grad_enabled(followed):  # some operations keep what only a backward pass needs
                    again = func(*args, **kwargs)
                for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                    if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class Stream:
    def __init__(self, log: list[str], name: str):
        self.log, self.name = log, name

    def wait_stream(self, other: "Stream") -> None:
        self.log.append(f"{self.name} waits for {other.name}")


class Cuda:
    """In place of torch.cuda; `log` tells what was asked of it, `graphs` are those that were made."""

    def __init__(self):
        self.log, self.graphs, self.main = [], [], None
        self.main = self.current = Stream(self.log, "main")

    def Stream(self) -> Stream:
        return Stream(self.log, "side")

    def current_stream(self) -> Stream:
        return self.current

    def set_stream(self, stream: Stream) -> None:
        self.current = stream

    @contextmanager
    def stream(self, stream: Stream):
        before, self.current = self.current, stream
        yield
        self.log.append(f"ran on {stream.name}")
        self.current = before

    def CUDAGraph(self) -> Graph:
        self.graphs.append(Graph())
        return self.graphs[-1]

    @contextmanager
    def graph(self, graph: Graph, stream: Stream):
        self.current = stream  # where recording fails it stays so
        states = [generator.get_state() for generator in graph.generators]
        recorder = Recorder(graph)
        try:
            with recorder:
                yield
        finally:
            with torch.no_grad():
                for tensor, former in reversed(recorder.former):
                    tensor.copy_(former)
            for generator, state in zip(graph.generators, states, strict=True):
                generator.set_state(state)
        self.log.append(f"recorded on {stream.name}")
        self.current = self.main
