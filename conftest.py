"""What pytest leaves alone: a module that needs a library of another group, and has no doctest."""

collect_ignore = ["src/mingolotss/readers/keras.py"]  # tests/test_readers_keras.py tests it
