"""The page for inspecting a build's sources by eye, and for deciding about them.

`mingolotss.qa.review.server.review` serves it; it needs the extra ``web``.
"""
