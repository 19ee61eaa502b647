"""What a build looks like: montages and the report."""
