"""opsctl: audited operations on hybrid clouds, around Ansible."""
