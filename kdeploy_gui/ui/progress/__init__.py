"""The view of a run: its header, the fleet as grid and as cards, and the detail of one environment."""
