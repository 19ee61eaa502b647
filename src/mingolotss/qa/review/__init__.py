"""The page for inspecting the sources of a build by eye, and for deciding about them.

`mingolotss.qa.review.server.review` serves it. The modules `app`, `context`, `endpoints`,
`actions`, `guard` and `pages` need the libraries of the extra ``web``; the others do not.
"""
