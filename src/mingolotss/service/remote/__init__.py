"""Services that ask an archive."""
