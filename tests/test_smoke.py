import tornadolike


async def test_version_names_the_api_level() -> None:
    assert tornadolike.version_info[:3] == (6, 6, 1)
    assert tornadolike.version == "6.6.1"
