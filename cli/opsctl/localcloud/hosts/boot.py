"""What is put into a host before it boots: its network, its keys, its first-boot work. Pure: a spec in, a tar out."""

from __future__ import annotations

import io
import shlex
import tarfile
from dataclasses import dataclass

from opsctl.localcloud.hosts.firewall import VXLAN_PORT, Wiring, render_nat

LIBRARY = "/usr/local/lib/opsctl"
STATE = "/var/lib/opsctl"
QUOTA = 24000
"""Bytes of a command's output that are kept: the last ones."""


@dataclass(frozen=True)
class Boot:
    """``private`` is an address with the VPC's prefix length (``192.168.0.5/16``); secrets are for the tar only."""

    hostname: str
    private: str
    mac: str
    vni: int
    filter: str
    host_key: str
    public_key: str = ""
    password: str = ""
    user_data: str = ""
    apt_proxy: str = ""


def files(boot: Boot, wiring: Wiring) -> bytes:
    """A tar for ``/``: everything root-owned, secrets 0600."""
    content = {
        f"{LIBRARY}/network": (0o755, _network(boot)),
        f"{LIBRARY}/password": (0o755, _PASSWORD),
        f"{LIBRARY}/first-boot": (0o755, _FIRST_BOOT),
        f"{LIBRARY}/assist": (0o755, _ASSIST),
        f"{STATE}/filter.rules": (0o600, boot.filter),
        f"{STATE}/nat.rules": (0o600, render_nat(wiring)),
        "/etc/ssh/ssh_host_ed25519_key": (0o600, boot.host_key),
        **{f"/etc/systemd/system/opsctl-{name}.service": (0o644, text) for name, text in _UNITS.items()},
        **access(boot.password, boot.public_key),
    }
    if boot.user_data:
        content[f"{STATE}/user-data"] = (0o700, boot.user_data)
    if boot.apt_proxy:
        content["/etc/apt/apt.conf.d/90opsctl-cache"] = (0o644, f'Acquire::http::Proxy "{boot.apt_proxy}";\n')
    units = "/etc/systemd/system"
    links = {
        f"{units}/multi-user.target.wants/opsctl-{name}.service": f"{units}/opsctl-{name}.service" for name in _UNITS
    }
    return pack(content, links)


def access(password: str, public_key: str) -> dict[str, tuple[int, str]]:
    """Who may log in as root: files for :func:`pack`, before the first boot and again when it changes."""
    content = {
        "/etc/ssh/sshd_config.d/opsctl.conf": (0o644, _sshd(bool(password))),
        "/root/.ssh/authorized_keys": (0o600, f"{public_key.strip()}\n" if public_key else ""),
    }
    if password:
        content[f"{STATE}/password"] = (0o600, f"root:{password}\n")
    return content


def pack(content: dict[str, tuple[int, str]], links: dict[str, str] | None = None) -> bytes:
    """A tar of text files (mode, text) by absolute path; folders of secrets are made 0700."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in sorted({path.rsplit("/", 1)[0] for path in content if path.startswith((STATE, "/root/.ssh"))}):
            entry = tarfile.TarInfo(folder.lstrip("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o700
            tar.addfile(entry)
        for path, (mode, text) in content.items():
            data = text.encode()
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode, entry.size = mode, len(data)
            tar.addfile(entry, io.BytesIO(data))
        for path, target in (links or {}).items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return buffer.getvalue()


def _network(boot: Boot) -> str:
    group = f"239.{boot.vni >> 16 & 255}.{boot.vni >> 8 & 255}.{boot.vni & 255}"
    return f"""#!/bin/sh
# Joins this host to its VPC: a vxlan interface that carries the private address, and the security groups' filter.
set -eu
# Its own name means the private address, as on any instance; Docker would have its own address there.
name=$(hostname)
others=$(awk -v name="$name" '$2 != name' /etc/hosts)
printf '%s\n%s\t%s\n' "$others" {boot.private.partition("/")[0]} "$name" > /etc/hosts
iptables-restore --noflush < {STATE}/filter.rules
iptables-restore --noflush < {STATE}/nat.rules
iptables -t nat -C OUTPUT -j OPSCTL 2>/dev/null || iptables -t nat -A OUTPUT -j OPSCTL
ip link show vpc0 >/dev/null 2>&1 || {{
  ip link add vpc0 address {boot.mac} type vxlan id {boot.vni} group {group} dev eth0 dstport {VXLAN_PORT}
  ip address add {shlex.quote(boot.private)} dev vpc0
  # Without link-local addresses: their discovery would be flooded to every host of the cloud.
  ip link set vpc0 addrgenmode none
  ip link set vpc0 up
}}
"""


def _sshd(password: bool) -> str:
    answer = "yes" if password else "no"
    return (
        "HostKey /etc/ssh/ssh_host_ed25519_key\n"
        f"PermitRootLogin {'yes' if password else 'prohibit-password'}\n"
        f"PasswordAuthentication {answer}\n"
        "UseDNS no\n"
        "MaxSessions 64\n"
        "MaxStartups 64:30:128\n"
    )


_UNITS: dict[str, str] = {}
_UNITS["network"] = f"""[Unit]
Description=Join the VPC of the local cloud
DefaultDependencies=no
After=local-fs.target systemd-remount-fs.service
Before=ssh.service network.target opsctl-first-boot.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={LIBRARY}/network

[Install]
WantedBy=multi-user.target
"""

_UNITS["password"] = f"""[Unit]
Description=Set the password that the local cloud was given for this instance
DefaultDependencies=no
After=local-fs.target systemd-remount-fs.service
Before=ssh.service
ConditionPathExists={STATE}/password

[Service]
Type=oneshot
ExecStart={LIBRARY}/password

[Install]
WantedBy=multi-user.target
"""

_UNITS["first-boot"] = f"""[Unit]
Description=First boot of an instance of the local cloud: user data
After=opsctl-network.service ssh.service
ConditionPathExists=!{STATE}/booted

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={LIBRARY}/first-boot
TimeoutStartSec=infinity
StandardOutput=append:/var/log/cloud-init-output.log
StandardError=inherit

[Install]
WantedBy=multi-user.target
"""

_PASSWORD = f"""#!/bin/sh
# Runs before sshd at boot, and again when the password changes. Nobody else ever reads the file.
set -eu
chpasswd < {STATE}/password
rm -f {STATE}/password
"""

_FIRST_BOOT = f"""#!/bin/sh
# Runs once.
set -u
touch {STATE}/booted
if [ -e {STATE}/user-data ]; then
  cd /root && HOME=/root {STATE}/user-data
fi
"""

# The agent's side of Cloud Assistant. A command is a transient unit, so it outlives the caller, is killed with all
# its children at its timeout, and its result waits in a file for whoever asks.
_ASSIST = f"""#!/bin/sh
# assist start ID TIMEOUT USER DIR   starts {STATE}/assist/ID.sh;   assist wait ID SECONDS   prints its result;
# assist stop ID   ends it.
set -u
dir={STATE}/assist
id=$2
case $1 in
start)
  timeout=$3 user=$4 cwd=$5
  left=600
  until [ -S /run/systemd/private ]; do
    [ $left -gt 0 ] || {{ echo ClientNotRunning; exit 3; }}
    sleep 0.1; left=$((left - 1))
  done
  id -u "$user" >/dev/null 2>&1 || {{ echo AccountNotExists; exit 3; }}
  home=$(getent passwd "$user" | cut -d: -f6)
  [ -n "$cwd" ] || cwd=$home
  [ -d "$cwd" ] || {{ echo DirectoryNotExists; exit 3; }}
  [ ! -e "$dir/$id.begin" ] || exit 0
  date -u +%Y-%m-%dT%H:%M:%SZ > "$dir/$id.begin"
  chmod 711 {STATE} "$dir"; chown "$user" "$dir/$id.sh"
  : > "$dir/$id.out"
  exec systemd-run --quiet --no-block --collect --unit="opsctl-$id" --property=Type=exec \\
    --property=RuntimeMaxSec="$timeout" --property=User="$user" --property=WorkingDirectory="$cwd" \\
    --property=StandardOutput=append:"$dir/$id.out" --property=StandardError=inherit --property=StandardInput=null \\
    --property=KillMode=control-group --property=KillSignal=SIGKILL --setenv=HOME="$home" \\
    --property=ExecStopPost="+{LIBRARY}/assist done $id" /bin/sh -c "$dir/$id.sh"
  ;;
done)
  date -u +%Y-%m-%dT%H:%M:%SZ > "$dir/$id.end"
  printf '%s %s\\n' "${{SERVICE_RESULT:-}}" "${{EXIT_STATUS:-}}" > "$dir/$id.rc.new"
  mv "$dir/$id.rc.new" "$dir/$id.rc"
  rm -f "$dir/$id.sh"
  ;;
wait)
  left=$(($3 * 20))
  while [ ! -e "$dir/$id.rc" ] && [ $left -gt 0 ]; do sleep 0.05; left=$((left - 1)); done
  state=running
  [ -e "$dir/$id.rc" ] || [ "$(systemctl is-active "opsctl-$id")" != inactive ] || state=interrupted
  cat "$dir/$id.begin" 2>/dev/null || echo -
  if [ -e "$dir/$id.rc" ]; then cat "$dir/$id.end" "$dir/$id.rc"; else printf -- '-\\n%s -\\n' $state; fi
  stat -c %s "$dir/$id.out" 2>/dev/null || echo 0
  tail -c {QUOTA} "$dir/$id.out" 2>/dev/null || true
  ;;
stop)
  systemctl stop "opsctl-$id" >/dev/null 2>&1
  ;;
esac
"""
