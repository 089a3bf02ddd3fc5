"""Every error the package raises on purpose: one class a broken rule, all under ``HfSneError``."""


class HfSneError(Exception):
    """Base of every error that ``hf_sne`` raises on purpose."""


class UserError(HfSneError):
    """Something the user asked for cannot be done as asked; the message tells what was found and the fix."""

    def __init__(self, message: str, *, fix: str) -> None:
        self.message = message
        self.fix = fix
        super().__init__(f"{message}. Fix: {fix}")
