"""Search over the journals of all runs: words, phrases, fields; an index in one file, made from the journals."""
