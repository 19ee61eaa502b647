"""From a catalogue to a build: plan, parts, stamps, tables."""
