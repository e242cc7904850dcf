"""The orchestrator: plans in, events out. Knows ports and models only."""
