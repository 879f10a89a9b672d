"""`snakemake --lint`, with the findings that we decided to live with taken out. Run by `make lint`."""

import re
import subprocess
import sys

# Start of a finding's title -> why it stands.
ACCEPTED = {
    "No log directive defined": "Snakemake would delete a training's log before its job (rules/train.smk)",
    "Specify a conda environment or container": "all rules share one: requirements.lock",
}


def findings(report: str) -> list[str]:
    """The report's findings as "where: title" in its order."""
    where, found = "", []
    for line in report.splitlines():
        if match := re.match(r"Lints for (.*):$", line):
            where = match[1]
        elif match := re.match(r"    \* (.*?):?$", line):
            found.append(f"{where}: {match[1]}")
    return found


def main() -> int:
    result = subprocess.run([sys.executable, "-m", "snakemake", "--lint"], capture_output=True, text=True)
    report = result.stdout + result.stderr
    found = findings(report)
    if result.returncode and not found:  # it did not get as far as linting
        print(report, file=sys.stderr)
        return result.returncode
    new = [finding for finding in found if not any(f": {title}" in finding for title in ACCEPTED)]
    print("\n".join([*new, f"snakemake --lint: {len(new)} findings, {len(found) - len(new)} accepted"]))
    return bool(new)


if __name__ == "__main__":
    sys.exit(main())
