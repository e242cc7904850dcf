"""kdeploy: deploys test suites to lab machines and proves that they are ready."""

__version__ = "0.1.0"
