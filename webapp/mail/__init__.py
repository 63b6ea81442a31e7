"""Mail: what a person waits for is written to them, once, from the history row that says it happened.

``plan`` turns history rows and looks at the clock into rows that are due, ``letters`` and ``compose`` word them for one
reader, ``send`` hands them to a ``transport``. :class:`~webapp.mail.office.PostOffice` is what the worker runs.
"""
