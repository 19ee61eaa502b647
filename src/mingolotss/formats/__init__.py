"""One file per format; each writes whole files, the same bytes for the same records."""
