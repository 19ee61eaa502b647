"""How far the people agree who judged the sources of a build.

`measure` has the function, `result` what it returns, `document` the files, and `terminal` the
lines of the command.
"""
