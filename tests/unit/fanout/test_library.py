"""The SSH library is loaded without any other program."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import ctypes.util, sys
started = []
sys.addaudithook(lambda event, given: started.append(given) if event == "subprocess.Popen" else None)
usual = ctypes.util.find_library
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.library import MISSING, _found, asyncssh
assert not MISSING and asyncssh.connect
assert ctypes.util.find_library is usual
assert _found("c").startswith("libc.so") and _found("nothing-of-this-name") is None
print(len(started))
"""


def test_no_compiler_is_asked_for_libraries() -> None:
    """And the way libraries are found is as before afterwards."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr
