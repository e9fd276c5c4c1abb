"""Approvals: the rules (`state`, pure), what was asked and said (`store`), and the door runs go through (`gate`)."""
