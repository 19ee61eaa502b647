"""Files and the network: each file is written whole or not at all."""
