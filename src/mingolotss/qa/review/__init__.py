"""The page for inspecting the sources of a build by eye, and for deciding about them.

`mingolotss.qa.review.server.review` serves it, with the libraries of the extra ``web``. They are
imported when they are used.
"""
