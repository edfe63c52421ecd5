"""Shared by transformations; a file that begins with _ is none itself."""


def replace_texts(value, function):
    """The value with `function` applied to each text in it, at any depth."""
    if isinstance(value, str):
        return function(value)
    if isinstance(value, list):
        return [replace_texts(item, function) for item in value]
    if isinstance(value, dict):
        return {key: replace_texts(item, function) for key, item in value.items()}
    return value
