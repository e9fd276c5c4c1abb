"""The service's process: ``python -m opsctl.localcloud --home FOLDER``."""

from __future__ import annotations

import argparse
import errno
import fcntl
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import IO

from opsctl.localcloud import service
from opsctl.localcloud.cloud import REGION, Cloud, Options
from opsctl.localcloud.ecs.commands import CommandApi
from opsctl.localcloud.ecs.instances import InstanceApi
from opsctl.localcloud.ecs.selfview import selfview
from opsctl.localcloud.gateway.app import Handler, create_app
from opsctl.localcloud.gateway.serve import serve
from opsctl.localcloud.gateway.signature import Key
from opsctl.localcloud.hosts import image
from opsctl.localcloud.hosts.assistant import Assistant
from opsctl.localcloud.hosts.engine import Docker, HostError
from opsctl.localcloud.hosts.firewall import Wiring
from opsctl.localcloud.hosts.fleet import Fleet
from opsctl.localcloud.metadata import Metadata
from opsctl.localcloud.packages import PackageCache
from opsctl.localcloud.ros.api import RosApi
from opsctl.localcloud.ros.engine import Engine
from opsctl.localcloud.ros.tags import TagApi
from opsctl.localcloud.store import Store
from opsctl.localcloud.vpc import VpcApi

log = logging.getLogger("opsctl.localcloud")


class StartError(Exception):
    """Why the service cannot start, in one line."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="opsctl.localcloud")
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args().home
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    try:
        return run(home)
    except (StartError, HostError, service.ServiceError) as error:
        log.error("%s", error)
        return 1


def run(home: Path) -> int:
    folder, wanted = service.folder(home), service.choice(home)
    lock = _lock(folder / "lock")
    docker = Docker(service.cloud_id(home), str(home))
    subnet, gateway = docker.ensure_network()
    sockets = [_bind("127.0.0.1", wanted.port), _bind(gateway, wanted.port)]
    wiring = Wiring(subnet, gateway, sockets[1].getsockname()[1])
    options = Options(home, wanted.port, wanted.host_image, wanted.any_image, wanted.apt_cache)
    store = Store(folder / "state.db")
    cloud = Cloud(store, docker, options, wiring, wanted.host_image or image.name())
    fleet = Fleet(cloud)
    assistant = Assistant(cloud)
    engine = Engine(cloud, fleet, assistant)
    key_id, secret = service.credentials(home)
    actions: dict[tuple[str, str], Handler] = {
        **RosApi(cloud, engine).actions(),
        **TagApi(cloud).actions(),
        **InstanceApi(cloud, fleet).actions(),
        **CommandApi(cloud, assistant).actions(),
        **VpcApi(cloud).actions(),
    }
    app = create_app(
        actions,
        lambda asked: Key(key_id, secret) if asked == key_id else None,
        metadata=Metadata(lambda source: selfview(cloud, source)),
        signals=lambda query, body, _: engine.signal(query, body),
    )
    threading.Thread(target=_resume, args=(fleet, assistant, engine), daemon=True).start()
    service.write_ready(home, f"http://127.0.0.1:{wanted.port}", REGION)
    log.info("serving on 127.0.0.1:%d and %s:%d", wanted.port, gateway, wiring.port)
    serve(PackageCache(app, folder / "packages", subnet), sockets)
    engine.stop(timeout=10)
    store.close()
    lock.close()
    # Threads may still wait on hosts; what they do is written down and taken up at the next start.
    logging.shutdown()
    os._exit(0)


def _resume(fleet: Fleet, assistant: Assistant, engine: Engine) -> None:
    try:
        fleet.resume()
        assistant.resume()
        engine.resume()
    except Exception:
        log.exception("taking up what was interrupted")


def _lock(path: Path) -> IO[str]:
    handle = path.open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise StartError(f"Another local cloud already uses {path.parent}") from None
    return handle


def _bind(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise StartError(f"Port {port} is taken: start with another one (opsctl cloud up --port N)") from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise StartError(f"Cannot listen on {address}, Docker's own address: is Docker on this machine?") from error
        raise StartError(f"Cannot listen on {address}:{port}: {error.strerror}") from error
    sock.listen(1024)
    return sock


if __name__ == "__main__":
    sys.exit(main())
