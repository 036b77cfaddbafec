"""Passes of a model over the cases of a cohort."""

ENGINE_VERSION = "0.1.0"  # part of every evidence key: raise it when a pass computes differently
