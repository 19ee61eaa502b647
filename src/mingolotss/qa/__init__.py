"""Inspection and checks of datasets: status, verify, compare, report and review."""
