"""The real archive server, and what is fetched from it."""
