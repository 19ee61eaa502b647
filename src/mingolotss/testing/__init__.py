"""Conformance suites for plug-ins: call them from the tests of your own service.

See `mingolotss.testing.services`.
"""

from mingolotss.testing.services import Image, check_service

__all__ = ["Image", "check_service"]
