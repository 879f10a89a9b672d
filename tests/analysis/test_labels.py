"""Names of runs in figures, finished or not."""

import pandas as pd

from analysis.labels import labels, planned

ROWS = pd.DataFrame({"variant": ["A", "A", "B"], "vary": ['{"optimizer.lr": 0.001}', '{"optimizer.lr": 0.01}', "{}"]})


def test_a_variant_with_several_settings_is_named_with_what_differs():
    assert list(labels(ROWS, [])) == ["A (lr 0.001)", "A (lr 0.01)", "B"]
    assert list(labels(ROWS[1:], [])) == ["A", "B"]


def test_settings_that_are_missing_count():
    missing = [{"variant": "A", "vary": {"optimizer.lr": 0.001}}, {"variant": "C"}]
    assert list(labels(ROWS[1:], missing)) == ["A (lr 0.01)", "B"]
    assert planned(ROWS[1:], missing) == {"A", "A (lr 0.001)", "A (lr 0.01)", "B", "C"}
