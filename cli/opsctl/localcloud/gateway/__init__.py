"""The HTTP face of the local cloud: checks signatures, routes actions, answers in the real wire format.

The parts, from the wire inwards: :mod:`.serve` (sockets), :mod:`.app` (one call from bytes to answer),
:mod:`.signature` and :mod:`.replay` (who is calling), :mod:`.params` (what is asked), :mod:`.answer` (the wire JSON).
"""
