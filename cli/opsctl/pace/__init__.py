"""At what rate a run goes over its hosts, and who may hold it."""
