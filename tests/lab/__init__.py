"""Builders of real peers: OpenSSH servers, throw-away accounts, a proxy that misbehaves."""
