"""Studies: runs that compute their summary in one go, without a stream of frames. Interrupted, one begins again."""

import time
from collections.abc import Callable

from agents.run.outputs import Outcome, Product
from agents.run.record import Recorder, table_of
from agents.run.summary import Row
from agents.spec.base import Identified, load


def perform(spec: Identified, say: Callable[[int], None]) -> Product:
    """The study of a spec; `say(done)` hears now and then how much of the budget is done."""
    started = time.monotonic()
    rows: list[Row]
    rows, updates = load(spec.agent.code)(spec, say)
    seconds = time.monotonic() - started
    tables = {**Recorder().tables(), "summary": table_of("summary", rows)}
    return Product(Outcome("finished", spec.budget_frames, seconds, 0), tables, {"updates": updates}, None)
