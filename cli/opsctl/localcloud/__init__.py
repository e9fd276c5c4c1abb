"""The embedded cloud: the Alibaba Cloud API on this machine, backed by real hosts."""
