"""The results server: takes result folders from uploaders, gives them to people and Jenkins.

`server` is the application, `receiving` and `giving` its two directions, `keeping` the baselines,
`access` who may what, `folders` the disk, `retention` what goes again. docs/stores.md has the
protocol.
"""
