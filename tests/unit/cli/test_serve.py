"""What `tapetum serve` brings along."""

import os
import subprocess
import sys

PROGRAM = """
import sys
from tapetum.cli.serve import command
from tapetum.errors import ConfigError
try:
    command.main([], standalone_mode=False)
except ConfigError:
    print(sorted({"rich", "structlog", "tapetum.serving.server"} & set(sys.modules)))
import rich.table
"""


def test_a_service_draws_no_tables_and_whoever_does_still_can(tmp_path):
    environment = os.environ | {"TAPETUM_BUNDLE": str(tmp_path), "TAPETUM_WORKERS": "0"}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout) == (0, "['structlog', 'tapetum.serving.server']\n"), ran.stderr
