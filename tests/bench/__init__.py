"""Measurements against other tools, in one run on the same machine. Never asserted."""
