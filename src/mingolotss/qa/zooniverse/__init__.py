"""Classifications by volunteers of the Zooniverse (https://www.zooniverse.org).

`subjects` writes the images and the manifest of a subject set, `classifications` reads the export
of the classifications, and `judgements` adds them to the decisions of a build.
"""
