"""The error inbox: what failed and is not solved, by cause, with what can be done about it."""
