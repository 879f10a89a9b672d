"""The typed description of one training run: run.py has the whole, base.py what its parts are made of."""
