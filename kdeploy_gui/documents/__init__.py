"""The files that people write: lab.toml and plan.toml, read with every mistake named by line and field."""
