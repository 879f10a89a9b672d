"""What can be wrong with a paper's file that its model cannot see: names of other files, of variants and of keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import ValidationError

from agents.spec.run import model_of
from analysis.spec.items import SCALES, AblationDrops, FromRuns, Normalisation, Reduced
from analysis.spec.metrics import METRICS, find
from workflow.mixed import mixed
from workflow.models import Experiment, Paper, Scale
from workflow.overlay import Alternatives, ends, merge, nested, set_by
from workflow.scales import at_scale, has
from workflow.strict_yaml import ConfigError, Document, Location, Problem
from workflow.typed import complaints, dotted_keys
from workflow.unscaled import unscaled

GIVEN_ELSEWHERE = {
    "version": "the code's",
    "seed": "the experiment's `seeds`",
    "budget_frames": "the experiment's",
    "device": "config.yaml's",
    "threads": "config.yaml's",
    "environment.game": "the experiment's `games`",
}


def alternative_problems(document: Document, spec: dict[str, Any], alternatives: Alternatives) -> Iterator[Problem]:
    """All that is wrong with what an algorithm's file says of parts of other kinds. They need not be whole."""
    keys = dotted_keys(model_of(spec))
    for part, kinds in alternatives.items():
        if part not in keys:
            yield document.problem(("alternatives", part), "unknown key of the spec", part, keys)
            continue
        at = tuple(part.split("."))
        for kind, numbers in kinds.items():
            if numbers.get("kind", kind) != kind:
                yield document.problem(("alternatives", part, kind, "kind"), f"must be {kind!r}, or left out")
            tree = merge(spec, nested(part, {**numbers, "kind": kind}))
            try:
                model_of(tree).model_validate(tree)
            except ValidationError as error:
                for location, message, *words in complaints(error, model_of(tree), tree):
                    if location[: len(at)] == at and message != "is missing":
                        inside = location[len(at) :] if location != (*at, "kind") else ()
                        yield document.problem(("alternatives", part, kind, *inside), message, *words)


def paper_problems(project: Any, document: Document, paper: Paper) -> Iterator[Problem]:
    """All that is wrong with a paper for which other files, or other parts of it, must be looked at."""
    for key, experiment in paper.experiments.items():
        yield from _experiment(project, document, ("experiments", key), experiment)
    yield from _shown(project, document, paper)
    yield from _contents(project, document, paper)


def _experiment(project: Any, doc: Document, at: Location, experiment: Experiment) -> Iterator[Problem]:
    variants = experiment.variants or {}
    used = {experiment.algorithm: (*at, "algorithm")}
    for variant, overlay in variants.items():
        if "algorithm" in overlay:
            used.setdefault(str(overlay["algorithm"]), (*at, "variants", variant, "algorithm"))
    keys: set[str] = set()
    broken = False
    for name, where in used.items():
        if name not in project.algorithm_names:
            broken = True
            yield project.files.unknown(doc, where, "algorithm", name, project.algorithm_names)
            continue
        try:
            keys |= project.algorithm(name).keys
        except ConfigError as error:
            broken = True
            yield from error.problems
    yield from _games(project, doc, (*at, "games"), experiment.games)
    yield from _lengths(doc, (*at, "zip"), experiment.zip)
    groups = [((*at, part), getattr(experiment, part)) for part in ("set", "vary", "zip")]
    for variant, overlay in variants.items():
        groups.append(((*at, "variants", variant), {k: v for k, v in overlay.items() if k != "algorithm"}))
    for scale_name, scale in experiment.scales.items():
        here = (*at, "scales", scale_name)
        yield from _scale(project, doc, here, scale, variants)
        groups += [((*here, part), getattr(scale, part) or {}) for part in ("set", "vary", "zip")]
    for where, overlay in groups:
        yield from _twice(doc, where, overlay)
    yield from _varied(doc, at, experiment)
    if not broken:
        yield from _keys(doc, groups, keys)


def _twice(doc: Document, where: Location, overlay: dict[str, Any]) -> Iterator[Problem]:
    """Keys that one overlay gives in two spellings, one of which would win in silence."""
    seen: dict[str, Location] = {}
    for name, at, _ in ends(overlay, where):
        if (first := seen.setdefault(name.removesuffix(".kind"), at)) != at:
            yield doc.problem(at, f"given twice (first on line {doc.problem(first, '').line})")


def _varied(doc: Document, at: Location, experiment: Experiment) -> Iterator[Problem]:
    """Values that would make the same run twice, and keys that are both crossed and taken side by side."""
    crossed, side = experiment.vary, experiment.zip
    places = [((*at, "vary"), crossed, (*at, "zip"), side)]
    for name, scale in experiment.scales.items():
        here, own = (*at, "scales", name), (scale.vary, scale.zip)
        if own != (None, None):
            places.append(((*here, "vary"), own[0] or {}, (*here, "zip"), own[1] or {}))
            both = {*(crossed if own[0] is None else own[0])} & {*(side if own[1] is None else own[1])}
            for key in sorted(both - ({*crossed} & {*side})):
                yield doc.problem((*here, "vary" if own[1] is None else "zip", key), "is in `vary` and in `zip`")
    for key in sorted({*crossed} & {*side}):
        yield doc.problem((*at, "zip", key), "is in `vary` and in `zip`")
    for vary_at, vary, zip_at, zipped in places:
        for key, values in vary.items():
            for value in _repeated(values):
                yield doc.problem((*vary_at, key), f"{value!r} is given twice")
        if zipped and len({len(values) for values in zipped.values()}) == 1:
            for row in _repeated([list(row) for row in zip(*zipped.values(), strict=True)]):
                yield doc.problem(zip_at, f"{row!r} is given twice")


def _repeated(values: list[Any]) -> list[Any]:
    return [value for i, value in enumerate(values) if values.index(value) == i and values.count(value) > 1]


def _keys(doc: Document, groups: list[tuple[Location, dict[str, Any]]], keys: set[str]) -> Iterator[Problem]:
    found = [each for where, overlay in groups for key in overlay for each in set_by(key, overlay[key], (*where, key))]
    parts = [(name, value) for name, _, value in found if isinstance(value, dict) and "kind" in value]
    known = keys | {f"{name}.{inner}" for name, part in parts for inner in part}  # a part put in whole brings its keys
    for name, at, _ in found:
        if name in GIVEN_ELSEWHERE:
            yield doc.problem(at, f"must not be given here: it is {GIVEN_ELSEWHERE[name]}")
        elif name not in known:
            yield doc.problem(at, "unknown key of the spec", name, known)


def _scale(project: Any, doc: Document, at: Location, scale: Scale, variants: dict[str, Any]) -> Iterator[Problem]:
    if scale.games is not None:
        yield from _games(project, doc, (*at, "games"), scale.games)
    yield from _lengths(doc, (*at, "zip"), scale.zip or {})
    for i, variant in enumerate(scale.variants or []):
        if variant not in variants:
            yield doc.problem((*at, "variants", i), f"unknown variant {variant!r}", variant, variants)


def _games(project: Any, doc: Document, at: Location, names: list[str]) -> Iterator[Problem]:
    for i, name in enumerate(names):
        if name not in project.games and name not in project.game_sets:
            valid = project.games | set(project.game_sets)
            yield doc.problem((*at, i), f"unknown game {name!r}", name, valid)
    games = project.games_of(names)
    for game in sorted({game for game in games if games.count(game) > 1}):
        yield doc.problem(at, f"{game} is given twice")


def _lengths(doc: Document, at: Location, zipped: dict[str, list[Any]]) -> Iterator[Problem]:
    if len({len(values) for values in zipped.values()}) > 1:
        yield doc.problem(at, "lists of different lengths cannot be taken side by side")


def _shown(project: Any, doc: Document, paper: Paper) -> Iterator[Problem]:
    """Problems of figures, tables and claims: names of experiments, variants and varied keys."""
    seen: dict[str, Location] = {}
    for part in ("figures", "tables", "claims"):
        for i, item in enumerate(getattr(paper, part)):
            at = (part, i)
            if seen.setdefault(item.id, at) != at:
                yield doc.problem((*at, "id"), f"{item.id!r} is taken by {'.'.join(map(str, seen[item.id]))}")
            for key in ("experiments", "variants", "reference_lines"):
                for name in _repeated(getattr(item, key, None) or []):
                    yield doc.problem((*at, key), f"{name!r} is given twice")
            a, b = getattr(item, "a", None), getattr(item, "b", None)
            elsewhere = getattr(item, "b_where", {}) or getattr(item, "b_metric", None)
            if a is not None and a == b and not elsewhere:
                yield doc.problem((*at, "b"), f"{a!r} is compared with itself")
            sources: list[Experiment] = []
            wrong = [*_metrics(doc, at, item), *_sources(project, doc, (*at, "experiments"), item, sources)]
            wrong = wrong or list(_uses(project, doc, at, item, sources))
            if not wrong and sources and len(sources) == len(item.experiments):
                wrong = list(_left_out(project, doc, at, item, sources))
            yield from wrong


def _metrics(doc: Document, at: Location, item: Any) -> Iterator[Problem]:
    """Metrics that no run records."""
    for key, names in item.metrics().items() if isinstance(item, FromRuns) else ():
        for name in names:
            if find(name) is None:
                yield doc.problem((*at, key), f"unknown metric {name!r}", name.partition("[")[0], METRICS)


def _sources(project: Any, doc: Document, at: Location, item: Any, found: list[Experiment]) -> Iterator[Problem]:
    """Put the experiments that an item is made from into `found`; those of a broken paper are left out."""
    for j, full in enumerate(getattr(item, "experiments", [])):
        other, _, key = full.partition(".")
        if other not in project.paper_names:
            yield project.files.unknown(doc, (*at, j), "paper", other, project.paper_names)
            continue
        source = project.described(other)[1]
        if source is None:  # its own check reports what is wrong with it
            continue
        if key not in source.experiments:
            valid = [f"{other}.{name}" for name in source.experiments]
            yield doc.problem((*at, j), f"unknown experiment {full!r}", full, valid)
            continue
        found.append(source.experiments[key])


def _uses(project: Any, doc: Document, at: Location, item: Any, sources: list[Experiment]) -> Iterator[Problem]:
    """Problems of the variants and varied keys that an item names, of those that its experiments have."""
    try:
        variants = {v for each in sources for v in each.variants or [project.algorithm(each.algorithm).label]}
    except ConfigError:
        return
    if not variants or len(sources) < len(item.experiments):
        return
    wanted = [(("variants", i), v) for i, v in enumerate(getattr(item, "variants", None) or [])]
    wanted += [(("reference_lines", i), v) for i, v in enumerate(getattr(item, "reference_lines", []))]
    rows = enumerate(getattr(item, "rows", []))
    wanted += [(("rows", i, "variant"), row.variant) for i, row in rows if row.variant is not None]
    wanted += [((k,), v) for k in ("a", "b", "full", "base") if isinstance(v := getattr(item, k, None), str)]
    if isinstance(rivals := getattr(item, "b", None), list) and not getattr(item, "published", []):
        wanted += [(("b", i), rival) for i, rival in enumerate(rivals)]
    for where, variant in wanted:
        if variant not in variants:
            yield doc.problem((*at, *where), f"unknown variant {variant!r}", variant, variants)
    baseline = getattr(item, "baseline", None) if not getattr(item, "published", []) else None
    if baseline is not None and not any(_is_of(baseline, variant) for variant in variants):
        yield doc.problem((*at, "baseline"), f"unknown variant {baseline!r}", baseline, variants)
    varied = {key for each in sources for key in (*each.vary, *each.zip)}
    axes = ("x", "y") if isinstance(item, Reduced) else ()  # the x of curves is a clock
    keys = [((k,), v) for k in axes if isinstance(v := getattr(item, k, None), str)]
    for where, key in keys + [((k, key), key) for k in ("where", "b_where") for key in getattr(item, k, {})]:
        if key not in varied:
            yield doc.problem((*at, *where), f"{key!r} is not varied", key, varied)


def _is_of(label: str, variant: str) -> bool:
    """Whether a figure calls runs of a variant so: by its name, or with what varies in brackets."""
    return label == variant or label.startswith(f"{variant} (")


def _left_out(project: Any, doc: Document, at: Location, item: Any, sources: list[Experiment]) -> Iterator[Problem]:
    """What an item names and would find at a smaller scale no more, after all training there.

    Rows of tables and rivals in a figure say so themselves, in a cell or in the caption.
    """
    try:
        labels = [project.algorithm(each.algorithm).label for each in sources]
    except ConfigError:  # which is told where that algorithm stands
        return
    named = [(key, v) for key in ("a", "b", "full", "base") if isinstance(v := getattr(item, key, None), str)]
    named += [(key, v) for key in ("variants", "reference_lines") for v in getattr(item, key, None) or []]
    if (baseline := getattr(item, "baseline", None)) is not None and not getattr(item, "published", []):
        named.append(("baseline", baseline))
    told: set[tuple[str, str]] = set()
    for scale in reversed(SCALES[SCALES.index(getattr(item, "at_least", "smoke")) :]):
        here = [at_scale(each, (), scale) for each in sources]
        variants = {v for each, label in zip(here, labels, strict=True) for v in each.variants(label)}
        games = {game for each in here for game in project.games_of(each.chosen("games")[1])}
        if not games <= project.games:
            continue  # which is told where they stand
        gone = [
            (key, f"variant {v!r} does not run") for key, v in named if not any(_is_of(v, each) for each in variants)
        ]
        gone += [("games", f"{game} is not played") for game in getattr(item, "games", None) or [] if game not in games]
        for key in ("where", "b_where"):
            where = getattr(item, "where", {}) | getattr(item, key, {})
            if getattr(item, key, {}) and not any(has(point, where) for each in here for point in each.points()):
                gone.append((key, "no run has these values"))
        if isinstance(item, AblationDrops) and not {*(item.variants or variants)} & variants - {item.full, item.base}:
            gone.append(("variants", f"no variant runs beside {item.full!r} and {item.base!r}"))
        if isinstance(item, FromRuns):
            gone += unscaled(project, item, here, labels)
            gone += mixed(item, here, labels)
        for key, what in gone:
            if (key, what) not in told:
                scales = get_args(Normalisation)[1:] if what.startswith("raw scores") else ()  # all but raw
                yield doc.problem((*at, key), f"{what} at scale {scale}", "raw", scales)
        told.update(gone)


def _contents(project: Any, doc: Document, paper: Paper) -> Iterator[Problem]:
    """Problems of the rows of the ledger: names given twice, and figures, tables and claims that are nowhere."""
    own, seen = [item.id for item in paper.items], dict[str, int]()
    for i, row in enumerate(paper.contents):
        if (first := seen.setdefault(row.name, i)) != i:
            yield doc.problem(("contents", i, "name"), f"{row.name!r} is taken by contents.{first}")
        for name in _repeated(row.by or []):
            yield doc.problem(("contents", i, "by"), f"{name!r} is given twice")
        for j, full in enumerate(row.by or []):
            other, _, _ = full.rpartition(".")
            at = ("contents", i, "by", j)
            if other and other not in project.paper_names:
                yield project.files.unknown(doc, at, "paper", other, project.paper_names)
                continue
            source = project.described(other)[1] if other else paper
            known = own if source is paper else [f"{other}.{each.id}" for each in source.items] if source else [full]
            if full not in known:
                yield doc.problem(at, f"no figure, table or claim {full!r}", full, known)
