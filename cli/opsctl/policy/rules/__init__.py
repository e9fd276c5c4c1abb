"""What single commands do: one file for each kind of thing they do it to; `table` has them all."""
