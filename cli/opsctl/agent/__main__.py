"""The agent's process: `opsctl agent start` starts it."""

from __future__ import annotations

import argparse
import asyncio
import resource
import signal
import sys

from opsctl.agent import place
from opsctl.agent.serve import Agent


def main() -> int:
    """Serve. Exit status 1: another one does already."""
    parser = argparse.ArgumentParser(prog="python -m opsctl.agent")
    parser.add_argument("--max", type=int, required=True)
    parser.add_argument("--ttl", type=float, required=True)
    given = parser.parse_args()
    held = place.alone()
    if held is None:
        return 1
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_serve(Agent(given.max, given.ttl), held))
    return 0


async def _serve(agent: Agent, held: int) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.leave)
    await agent.serve(place.listen(), held)


if __name__ == "__main__":
    sys.exit(main())
