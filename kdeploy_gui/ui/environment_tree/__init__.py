"""The environment tree: groups as folders, live states, selection that commands act on."""
