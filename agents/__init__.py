"""One training run, from a resolved spec to Parquet.

Five nouns and one loop. A `Step` is one moment of B environments (step.py). A stream is B environments that
reset themselves (envs/). A memory keeps steps and draws batches of them (memory/). An agent acts and gives a
loss (dqn.py). A learner turns losses into parameter updates (learner.py). loop.py collects, adds, learns,
evaluates, records and saves on clocks that count environment frames.

Nothing is imported eagerly: build.py imports only what a spec names.
"""
