"""The serial console of one machine in the window: live text, and keys for whoever takes the input."""
