"""The shape of every config file, one module a file or folder of `config/`.

Belongs here: one class a file or part of a file, with what its keys mean. Does not belong here: reading
(`headwater.configuration.reading`), or what a verb does with it.
"""
