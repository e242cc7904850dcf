"""`kdeploy` that notices a silent link within three seconds instead of twenty: python -m tests.soak.hasty ARGUMENTS."""

from kdeploy_gui import defaults
from kdeploy_gui.__main__ import main

if __name__ == "__main__":
    defaults.KEEPALIVE_INTERVAL = 1.5
    main()
