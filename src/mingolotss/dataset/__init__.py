"""A build or an export on disk: its folder, manifest, records and splits."""
