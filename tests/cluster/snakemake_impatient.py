"""`snakemake …`, but one that asks SLURM every second how its jobs are.

The executor waits ten seconds more after each time that it finds none ended, up to three minutes: so it spares a
cluster with thousands of jobs. A test with four of them would mostly wait for that.
"""

import shutil
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

between = RemoteExecutor.next_seconds_between_status_checks
RemoteExecutor.next_seconds_between_status_checks = between.getter(lambda self: 1)  # whatever was set

if __name__ == "__main__":
    sys.argv[0] = shutil.which("snakemake") or sys.exit("snakemake is not on the PATH")
    sys.exit(main())
