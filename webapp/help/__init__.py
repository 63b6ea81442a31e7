"""The documentation, written once in ``docs/`` for whoever reads the sources, and shown by the console under ``/help``.

A file ``docs/NAME.md`` is the page ``/help/NAME``; ``docs/README.md`` is the first page. Links between the files, their
pictures and the anchors of their headings are the same in both places.
"""
