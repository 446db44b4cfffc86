"""Where the Dagster instance of an earlier version finds its event log: see `event_log`."""
