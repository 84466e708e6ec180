"""Calling the APIs of modules (manual 3.2.2, 5.5.1)."""

from __future__ import annotations

import logging
from typing import Any, Iterable, List, Mapping, Optional, Tuple

from vlcp.event.runnable import RoutineContainer
from vlcp.server._api import carry_out, directory_of
from vlcp.server._apidef import PUBLIC, ModuleAPICall, ModuleAPIReply, get_api_result
from vlcp.utils.exceptions import APINotFoundException, ModuleAPICallTimeoutException

logger = logging.getLogger(__name__)


async def call_api(
    container: RoutineContainer,
    targetname: str,
    name: str,
    params: Mapping[str, Any] = {},  # noqa: B006 - never changed
    timeout: Optional[float] = 120.0,
) -> Any:
    """Call an API of a module and return its result.

    A function that returns at once has run when this returns, without other routines in between. A module that is
    just being loaded is waited for. When the time is over, a call that has not begun is not carried out any more.

    :param container: container of the calling routine
    :param targetname: service name of the module (lower-case class name) or of a proxy, or ``public``
    :param name: name of the API
    :param params: ``{parameter: value}``; not changed
    :param timeout: seconds; None waits for ever
    :raises APINotFoundException: no such module is loaded, or it has no such API
    :raises APIRejectedException: nobody takes a call with these parameters
    :raises APIParameterException: a parameter is missing or unexpected
    :raises TypeMismatchException: a parameter is of the wrong type
    :raises ModuleAPICallTimeoutException: no result in time
    :raises Exception: what the API itself raises
    """
    directory = directory_of(container.scheduler)
    expectation = directory.expectation(targetname)
    while expectation is not None and targetname not in directory.handlers:
        timeout = await _wait_until_loaded(container, expectation, targetname, timeout)
        expectation = directory.expectation(targetname)
    try:
        found = directory.find(targetname, name, params)
    except APINotFoundException:
        if targetname == PUBLIC or not _somebody_listens(container.scheduler, targetname, name):
            raise
        found = None
    if found is None:
        return await _call_by_event(container, targetname, name, params, timeout)
    return await carry_out(container, *found, name, params, timeout)


async def send_api(
    container: RoutineContainer,
    targetname: str,
    name: str,
    params: Mapping[str, Any] = {},  # noqa: B006
) -> None:
    """Call an API of a module and discard the result; errors are only logged.

    Parameters are those of :func:`call_api`. Does not wait for the API.
    """
    container.subroutine(_discard(container, targetname, name, params))


async def _discard(container: RoutineContainer, targetname: str, name: str, params: Mapping[str, Any]) -> None:
    try:
        await call_api(container, targetname, name, params)
    except Exception as exc:
        logger.warning("call of %s/%s, whose result is not awaited, failed: %s", targetname, name, exc)


async def batch_call_api(
    container: RoutineContainer, apis: Iterable[Tuple[str, str, Mapping[str, Any]]], timeout: Optional[float] = 120.0
) -> List[Optional[ModuleAPIReply]]:
    """Call several APIs at the same time. Deprecated by the manual in favour of ``execute_all``.

    :param container: container of the calling routine
    :param apis: ``(targetname, name, params)`` of each call
    :param timeout: seconds for each call
    :return: for each call its reply, to be read with :func:`get_api_result`; None where the time was over
    """
    return await container.execute_all([_reply_of(container, *one, timeout) for one in apis])


async def _reply_of(
    container: RoutineContainer, targetname: str, name: str, params: Mapping[str, Any], timeout: Optional[float]
) -> Optional[ModuleAPIReply]:
    handle = object()
    try:
        return ModuleAPIReply(handle, result=await call_api(container, targetname, name, params, timeout))
    except ModuleAPICallTimeoutException:
        return None
    except Exception as exc:
        return ModuleAPIReply(handle, exception=exc)


async def _wait_until_loaded(container: RoutineContainer, future: Any, target: str, timeout: Optional[float]) -> Optional[float]:
    """Wait until a module is loaded or has failed; return what is left of a time in seconds."""
    begin = container.scheduler.current_time
    timed_out, _ = await container.execute_with_timeout(timeout, future.wait(container))
    if timed_out:
        raise ModuleAPICallTimeoutException(f"module {target!r} is still being loaded")
    return None if timeout is None else max(timeout - (container.scheduler.current_time - begin), 0)


def _somebody_listens(scheduler: Any, target: str, name: str) -> bool:
    """Tell whether a routine outside the handlers waits for calls to a target."""
    return bool(scheduler.matchtree.matches(ModuleAPICall(object(), target, name, params={})))


async def _call_by_event(
    container: RoutineContainer, target: str, name: str, params: Mapping[str, Any], timeout: Optional[float]
) -> Any:
    """Call an API that no handler offers, but some routine that waits for :class:`ModuleAPICall`."""
    handle = object()
    call = ModuleAPICall(handle, target, name, params=params)

    async def exchange() -> Any:
        await container.wait_for_send(call)
        return await ModuleAPIReply.createMatcher(handle)

    try:
        timed_out, reply = await container.execute_with_timeout(timeout, exchange())
    finally:
        if not call.canignore:
            call.canignore = True
            container.scheduler.ignore(ModuleAPICall.createMatcher(handle))
    if timed_out:
        raise ModuleAPICallTimeoutException(f"{target}/{name} has not answered in {timeout:g} s")
    return get_api_result(reply)
