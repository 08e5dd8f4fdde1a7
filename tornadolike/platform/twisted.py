"""Twisted on the same event loop, and its Deferreds in coroutines.

Importing this module lets a `.gen.coroutine` yield a ``Deferred``. It needs the package ``twisted``.
"""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tornadolike import _imported_names, gen
from tornadolike.concurrent import Future, future_set_exception_unless_cancelled, future_set_result_unless_cancelled


def install() -> None:
    """Make Twisted's reactor run on asyncio, and so on the `.IOLoop`'s event loop.

    Call it before anything imports ``twisted.internet.reactor``. Deprecated: ``twisted.internet.asyncioreactor.install`` is the same.
    """
    from twisted.internet import asyncioreactor

    asyncioreactor.install()  # type: ignore[no-untyped-call] # Twisted is typed in part


@gen.convert_yielded.register
def _convert_deferred(deferred: Deferred) -> "Future[Any]":  # type: ignore[type-arg] # singledispatch wants the bare class
    future: Future[Any] = gen._create_future()

    def succeed(value: Any) -> None:
        future_set_result_unless_cancelled(future, value)

    def fail(failure: Failure) -> None:
        # Returning None tells the Deferred that its failure has been taken care of.
        error = failure.value
        assert error is not None
        future_set_exception_unless_cancelled(future, error.with_traceback(failure.getTracebackObject()))  # type: ignore[no-untyped-call]  # Twisted says no type

    deferred.addCallbacks(succeed, fail)
    return future


_imported_names.complete(globals())
