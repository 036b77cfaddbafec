"""The version of the code that computes passes."""

ENGINE_VERSION = "0.3.2"  # part of every evidence key: raise it when a pass computes differently
