"""The lessons as a course: what they record, how they are run and shown.

A lesson uses ``results`` (its three names are here too: ``course.begin``, ``course.say``,
``course.Results``), ``plots`` and ``exercises``. The command line uses ``lessons`` (find and check
them), ``execute`` (run one), ``runner`` (run all), ``sweep``, ``report`` and ``lesson_page`` (the
pages), ``checks`` (this machine).
"""

from mmtutorial.course.results import Results, begin, say

__all__ = ["Results", "begin", "say"]
