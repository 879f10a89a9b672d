"""The parts of the report: what it says of claims, of figures, of runs, of their settings and of what they cost."""
