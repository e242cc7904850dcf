"""Programs that break deployments again and again, and count what is left of them."""
