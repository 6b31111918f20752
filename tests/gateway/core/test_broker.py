from __future__ import annotations

from anycable_rpc.gateway.core.broker import MemoryBroker, NoBroker, broker_for
from anycable_rpc.gateway.core.client_frames import HistoryRequest, PresenceJoin
from anycable_rpc.gateway.core.options import GatewayOptions
from anycable_rpc.gateway.core.session import Broadcast, Session


def test_the_options_choose_the_broker() -> None:
    assert isinstance(broker_for(GatewayOptions(broker="memory")), MemoryBroker)
    assert isinstance(broker_for(GatewayOptions()), NoBroker)


def test_without_a_broker_nothing_is_kept() -> None:
    broker, session, broadcast = NoBroker(), Session("s1"), Broadcast("s", "1")

    broker.session_started(session, is_resumable=True)

    assert broker.record(broadcast) is broadcast
    assert broker.missed(["s"], HistoryRequest(since=1)) is None
    assert broker.find_earlier(Session("s2"), "s1") is None
    assert broker.join(session, "A", PresenceJoin("u1")) == broker.leave(session, "s") == []
    assert broker.presence_info("s") is None
    assert broker.session_ended(session, may_return=True) is None
    assert broker.expire(1e12) == []
