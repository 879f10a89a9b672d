"""Parameters that share a learning rate and an epsilon take their step in one call."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any


def groups(optimizer: Any, *lists: list) -> Iterator[tuple[float, float, list[list]]]:
    """Split parallel lists by (optimizer.rates[k], optimizer.epsilons[k]); -> rate, epsilon, the parts of the lists."""
    members: dict[tuple[float, float], list[int]] = defaultdict(list)
    for k, key in enumerate(zip(optimizer.rates, optimizer.epsilons, strict=True)):
        members[key].append(k)
    if len(members) == 1:
        yield (*next(iter(members)), list(lists))
        return
    for (rate, epsilon), chosen in members.items():
        yield rate, epsilon, [[each[k] for k in chosen] for each in lists]
