"""The one exception that a user is meant to read."""


class UserError(Exception):
    """A mistake or an obstacle on the user's side, told in one sentence.

    The message says what is wrong, where (file, line, key) and what to do. Entry points print it without a
    traceback and exit with status 1; any other exception is a defect of ours and keeps its traceback.
    """
