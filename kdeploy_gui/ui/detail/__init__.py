"""The pane of one environment: its log, its steps, what is known about it, and what its READY stands on."""
