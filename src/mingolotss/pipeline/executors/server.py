"""What the server of the workers imports: all that a worker needs, once for all of them.

The workers are forks of the server (`mingolotss.pipeline.executors.local`), which can be told to
import a module and nothing else. So this module has no content and acts when it is imported.
"""

from __future__ import annotations

import gc

from mingolotss.pipeline.executors.worker import import_preloaded

__all__: list[str] = []

# Nearly all objects that an import makes stay for good. The collector of garbage would look through
# them again and again, which takes a seventh of the time.
gc.disable()
import_preloaded()
gc.freeze()
gc.unfreeze()  # all objects are old now, and the next collection is of the few after them
gc.enable()
