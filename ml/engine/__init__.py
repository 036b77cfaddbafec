"""Passes of a model over the cases of a cohort."""

from ml.version import ENGINE_VERSION as ENGINE_VERSION
