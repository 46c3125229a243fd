"""The parts that all connections share: models, readiness, start and stop."""

from __future__ import annotations

import asyncio

from caesura.engines.registry import engine_info
from caesura.server.service import Service, embedder_info, model_info
from caesura.server.settings import Settings


def test_the_same_engine_has_the_same_uuid_everywhere() -> None:
    """Names and versions distinguish engines; nothing else goes into the id."""
    one, two = model_info(engine_info("scripted")), model_info(engine_info("scripted"))
    assert one == two
    assert one.uuid != model_info(engine_info("moonshine")).uuid
    assert model_info(engine_info("moonshine")).name == "moonshine-tiny-en"


def test_the_network_of_voices_has_one_uuid_everywhere() -> None:
    """It goes into Results with diarization, and must not change from one start to the next."""
    info = embedder_info()
    assert (info.name, info.arch) == ("pyannote-embedding", "x-vector")
    assert info == embedder_info()
    assert info.uuid not in {model_info(engine_info(name)).uuid for name in ("scripted", "moonshine")}


def test_a_service_is_ready_between_start_and_stop() -> None:
    """Constructing one starts nothing."""

    async def main() -> None:
        service = Service(Settings(engines=("scripted",), workers=1))
        assert not service.ready
        await service.start()
        assert service.ready
        assert len(service.engines[0].pool.ready_workers) == 1
        await service.stop()
        assert not service.ready

    asyncio.run(main())
