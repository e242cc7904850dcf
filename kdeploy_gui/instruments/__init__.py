"""Kernel instruments: the catalogue, how to detect them and how to prove them."""
