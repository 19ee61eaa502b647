"""Services that read images on disk."""
