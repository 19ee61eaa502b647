"""The audit of datasets: shared pixels, twins, positions under two names, labels, balance.

`samples` reads a dataset as columns and streams its images; the modules ``*_checks`` find what is
wrong in one dataset, and `between` what two have in common; `result` has what was found, `document`
writes it as ``audit.json``, and `terminal` as text. `run` is the function `mingolotss.audit`.
"""
