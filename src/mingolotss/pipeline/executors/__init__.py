"""Executors: functions that run the parts of a build in threads, in processes or on a cluster."""
