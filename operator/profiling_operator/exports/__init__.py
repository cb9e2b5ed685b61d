"""What viewers open: stacks for flame graphs and speedscope, a time line for Chrome and Perfetto.

Each takes entries one by one, within bounds of memory, and can be merged with those of other
entries.
"""

from profiling_operator.exports.stacks import Stacks
from profiling_operator.exports.timeline import Timeline

__all__ = ["Stacks", "Timeline"]
