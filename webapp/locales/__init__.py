"""The console's languages: a catalogue each, and the tools that read and collect them.

``<language>/LC_MESSAGES/messages.po`` is all that a language consists of. It is compiled in memory when the console
starts, so that nothing has to be built or installed for it.
"""
