"""Which groups each of many hosts is in, written short: group -> places in the list of hosts, as `0-499,700`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


def packed(hosts: Sequence[str], groups: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Groups with the places of their hosts. `groups`: host -> its groups."""
    places: dict[str, list[int]] = {}
    for number, host in enumerate(hosts):
        for group in groups.get(host, ()):
            places.setdefault(group, []).append(number)
    return {group: _ranges(places[group]) for group in sorted(places)}


def unpacked(hosts: Sequence[str], groups: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Host -> its groups, from what `packed` made."""
    found: dict[str, set[str]] = {host: set() for host in hosts}
    for group, text in groups.items():
        for part in text.split(","):
            first, _, last = part.partition("-")
            for host in hosts[int(first) : int(last or first) + 1]:
                found[host].add(group)
    return {host: frozenset(names) for host, names in found.items()}


def _ranges(numbers: Sequence[int]) -> str:
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
