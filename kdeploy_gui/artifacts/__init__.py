"""Local files of plans: what a `source` stands for, and its bytes."""
