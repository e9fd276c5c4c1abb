"""Values that are named instead of given: found where they are kept, right before a run, and never kept with it."""
