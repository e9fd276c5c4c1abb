"""Zabbix: the way to it, what opsctl sets up there, the hosts it is told of."""
