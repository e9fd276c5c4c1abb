"""What keeps a remediation from doing more harm than good: one pure decision over a snapshot of the world."""
