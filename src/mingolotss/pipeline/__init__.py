"""From a catalogue to a build.

`plan` finds the candidates of every source and divides the catalogue into parts. `run` gives each
part, as a `task`, to an executor, which calls `part` for it. A part goes through its stages chunk
by chunk: `measure`, `choice`, `stamps` (with `stamp_windows`) and `part_table`. When all parts
exist, `assemble` reads their `part_tables` and writes the dataset, `assemble_batches` its batches.
"""
