"""What commands do to a host itself: disks, network, kernel."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opsctl.policy.rules.call import Call, Said, Table, said


def _link(call: Call) -> Iterator[Said]:
    if call.sub("set") and call.sub("down"):
        yield "high", "network", "takes a network link down"
    if call.sub("flush", "del", "delete"):
        yield "high", "network", "removes addresses, links or routes"
    elif call.sub("add", "replace", "change", "set"):
        yield "medium", "network", "changes addresses, links or routes"


def _firewall(call: Call) -> Iterator[Said]:
    if call.flag("F", "X", "flush", "P", "policy") or call.sub("flush", "disable", "reset", "delete"):
        yield "high", "network", "flushes the firewall or changes its default"
    elif not (call.flag("L", "S", "n", "C", "list", "list-all", "state", "version") or call.sub("list", "status")):
        yield "medium", "network", "changes the firewall"


def _sysctl(call: Call) -> Iterator[Said]:
    if call.flag("w", "write", "p", "load", "system") or any("=" in text for text in call.texts):
        yield "high", "kernel", "sets kernel variables"


def _volume(call: Call) -> Iterator[Said]:
    yield "critical", "disk", f"{call.name} destroys what is on a device or volume"


def _table(call: Call) -> Iterator[Said]:
    if not (call.flag("l", "list", "print", "help", "version", "V", "d", "dump") or call.sub("print")):
        yield "critical", "disk", "changes a partition table"


def _socket(call: Call) -> Iterator[Said]:
    if call.flag("e", "c", "exec", "sh-exec") or any(re.search(r"(?i)\b(?:exec|system):", t) for t in call.texts):
        yield "critical", "network", "gives a shell to whoever connects"


def _mount(call: Call) -> Iterator[Said]:
    if call.arguments and not call.flag("l", "V", "h"):
        yield "medium", "disk", "mounts or unmounts"


TABLE: Table = {
    "mkfs shred wipefs blkdiscard lvremove vgremove pvremove mkswap badblocks cryptsetup zpool": _volume,
    "fdisk parted sfdisk gdisk sgdisk cfdisk": _table,
    "reboot poweroff halt shutdown init telinit kexec": said("high", "kernel", "takes the host out of service"),
    "insmod rmmod modprobe depmod": said("high", "kernel", "changes what the kernel has loaded"),
    "grub-install update-grub grub2-mkconfig dracut update-initramfs efibootmgr": said(
        "high", "kernel", "changes how the host boots"
    ),
    "setenforce setsebool setcap aa-disable": said("high", "kernel", "changes mandatory access control"),
    "swapoff swapon": said("medium", "disk", "changes swap"),
    "lvcreate lvresize lvreduce vgcreate pvcreate resize2fs xfs_growfs mdadm fsck e2fsck": said(
        "high", "disk", "changes volumes or file systems"
    ),
    "iptables ip6tables nft ufw firewall-cmd iptables-restore ipset": _firewall,
    "ip": _link,
    "route": said("medium", "network", "changes routes", "add", "del"),
    "ifconfig": said("high", "network", "takes a network link down", "down"),
    "ifdown": said("high", "network", "takes a network link down"),
    "nmcli": said("high", "network", "changes connections", "down", "delete", "off", "modify"),
    "sysctl": _sysctl,
    "nc ncat netcat socat": _socket,
    "mount umount": _mount,
}
