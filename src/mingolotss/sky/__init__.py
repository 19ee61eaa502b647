"""Where things are on the sky: angles, WCS, neighbours, HEALPix."""
