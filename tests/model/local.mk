# ---- the protocol of remote frees, as a model
dist_check_SCRIPTS += tests/model/run
EXTRA_DIST += tests/model/remote.pml
TESTS += tests/model/run
