"""What opsctl needs in Zabbix, with the least of rights: `opsctl monitor setup`."""
