"""Look at a build and check it: status, verify, compare, report, review."""
