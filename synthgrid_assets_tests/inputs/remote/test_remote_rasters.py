"""Rasters on another machine: as local ones, by windows, of one state, whatever the server does."""

from __future__ import annotations

import asyncio
import re
import threading
import time
import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine

from synthgrid_assets.errors import (
    SpecError,
    StorageError,
    SynthGridWarning,
    UnreachableError,
)
from synthgrid_assets.inputs.rasters import RasterSource
from synthgrid_assets.inputs.remote import entity, http_ranges, known_entities, remote_file
from synthgrid_assets.inputs.remote.address import Address
from synthgrid_assets.inputs.remote.entity import ChangedError
from synthgrid_assets.storage.layout import Layout
from synthgrid_assets.world.inputs import (
    input_of,
    make_input,
    open_inputs,
    stored_versions,
)
from synthgrid_assets.world.validation import load_spec
from synthgrid_assets_tests.inputs.remote.range_server import RangeServer

SIDE = 1024
WORLD = """
[world]
name = "far"
seed = "a raster elsewhere"
crs = "EPSG:32633"
origin = [500000.0, 5400000.0]
cell = 16.0
extent = [0, 0, 32, 32]
tile = 8

[inputs.people]
raster = "{raster}"
maximum = 1000.0

[layers.homes]
process = "poisson"
points_per_km2 = 200.0
intensity = "people"
"""


def pixels(seed=0):
    return np.random.default_rng(seed).integers(0, 1000, (SIDE, SIDE)).astype(np.int16)


def write(path, values, *, crs="EPSG:32633", **profile):
    """A tiled GeoTIFF of 20 m pixels around the world, which stores 8 km of its 20."""
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=SIDE,
        height=SIDE,
        count=1,
        dtype=values.dtype,
        crs=crs,
        transform=Affine(20.0, 0.0, 488000.0, 0.0, -20.0, 5418000.0),
        **{"tiled": True, "blockxsize": 128, "blockysize": 128, **profile},
    ) as target:
        target.write(values, 1)
    return path.read_bytes()


@pytest.fixture(scope="module")
def tifs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rasters")
    return {
        name: (folder / f"{name}.tif", write(folder / f"{name}.tif", pixels(seed)))
        for seed, name in enumerate(("one", "other"))
    }


@pytest.fixture
def server(tifs, monkeypatch, tmp_path):
    monkeypatch.setattr(remote_file, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(remote_file, "_LONGEST_PAUSE", 0.002)
    monkeypatch.setattr(known_entities, "FRESH", -1.0)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "data").mkdir()
    known_entities.forget()
    server = RangeServer()
    server.file.data = tifs["one"][1]
    yield server
    server.close()
    known_entities.forget()


@pytest.fixture
def spec(tmp_path):
    def written(raster, name="far"):
        path = tmp_path / f"{name}.toml"
        path.write_text(WORLD.format(raster=raster))
        return load_spec(path)

    return written


def made(spec, tmp_path):
    """What is stored of the raster: its data version."""
    return make_input(spec, "people", Layout(tmp_path / "data"))


def test_a_remote_raster_is_a_local_one_of_which_little_is_read(server, tifs, spec, tmp_path):
    path, data = tifs["one"]
    far = made(spec(f"{server.base}/people.tif"), tmp_path)
    assert far.data_version == made(spec(path), tmp_path).data_version
    assert server.file.sent < len(data) / 2
    assert all(asked for _, asked, _ in server.file.asked)


@pytest.mark.parametrize(
    "layout",
    [
        {"compress": "deflate", "predictor": 2},
        {"tiled": False, "blockysize": 1},
        {"compress": "zstd", "nodata": 7},
    ],
)
def test_layouts_of_a_geotiff(server, spec, tmp_path, layout):
    path = tmp_path / "r.tif"
    server.file.data = write(path, pixels(3), **layout)
    assert (
        made(spec(f"{server.base}/r.tif"), tmp_path).data_version
        == made(spec(path), tmp_path).data_version
    )


def test_a_changed_file_is_another_version_and_an_equal_one_with_a_new_tag_makes_no_other_tiles(
    server, tifs, spec, tmp_path
):
    far = spec(f"{server.base}/people.tif")
    code, data = input_of(far, "people").code_version, made(far, tmp_path).data_version
    server.file.tag = '"touched"'
    assert input_of(far, "people").code_version != code
    assert made(far, tmp_path).data_version == data
    server.file.tag, server.file.data = "content", tifs["other"][1]
    assert input_of(far, "people").code_version != code
    assert made(far, tmp_path).data_version != data


@pytest.mark.parametrize(
    "manner",
    [{"tag": None}, {"tag": 'W/"weak"'}, {"ranges": False}, {"ranges": False, "tag": None}],
)
def test_without_ranges_or_a_strong_tag_all_bytes_are_the_version_as_for_a_copy_here(
    server, tifs, spec, tmp_path, manner
):
    vars(server.file).update(manner)
    far, near = spec(f"{server.base}/people.tif"), spec(tifs["one"][0])
    assert input_of(far, "people").code_version == input_of(near, "people").code_version
    assert made(far, tmp_path).data_version == made(near, tmp_path).data_version
    server.file.data = tifs["other"][1]  # of the same length
    assert input_of(far, "people").code_version != input_of(near, "people").code_version


@pytest.mark.parametrize("manner", [{"tag": None}, {"ranges": False}])
def test_a_large_file_that_would_be_read_whole_each_time_is_refused(server, manner, monkeypatch):
    vars(server.file).update(manner)
    monkeypatch.setattr(http_ranges, "WHOLE", 1 << 20)
    with pytest.raises(SpecError, match="would be read whole at each opening"):
        RasterSource(Address(f"{server.base}/people.tif"), maximum=1000.0).open()
    assert server.file.sent < 4 << 20


def test_failures_that_pass_are_waited_out(server, tifs, spec, tmp_path):
    server.file.fail = [503, 429]
    server.file.broken = 2
    wanted = made(spec(tifs["one"][0]), tmp_path).data_version
    assert made(spec(f"{server.base}/people.tif"), tmp_path).data_version == wanted


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ({"fail": [503] * 99}, "the server answers 503, 5 times"),
        ({"broken": 99}, "the server ended its answer early|the connection broke"),
        ({"length_off": 10}, "the server ended its answer early|the connection broke"),
        ({"longer": 10}, "more bytes than it was asked for"),
        ({"trickle": 0.05}, "no whole answer within"),
    ],
)
def test_a_server_that_never_answers_right_is_named_with_what_it_does(
    server, manner, said, monkeypatch
):
    if "trickle" in manner:
        monkeypatch.setattr(http_ranges, "DEADLINE", 0.2)
        monkeypatch.setattr(http_ranges, "_CHUNK", 1)
    monkeypatch.setattr(remote_file, "TRIES", 5 if "fail" in manner else 2)
    vars(server.file).update(manner)
    with pytest.raises(UnreachableError, match=said):
        RasterSource(Address(f"{server.base}/people.tif"), maximum=1000.0).open()


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ({"shift": 512}, "answered another range than was asked for"),
        ({"total_off": 77}, "changed while it was read|another range"),
    ],
)
def test_a_server_that_lies_of_what_it_sends_is_not_believed(
    server, spec, tmp_path, manner, said, monkeypatch
):
    monkeypatch.setattr(remote_file, "TRIES", 2)
    far = spec(f"{server.base}/people.tif")
    assert input_of(far, "people").code_version
    vars(server.file).update(manner)
    surface = input_of(far, "people").surface
    if "total_off" in manner:
        server.file.total_off = 78  # another lie than at the opening
    with pytest.raises((SpecError, UnreachableError), match=said):
        surface.make_block(0, 0)


def test_a_length_that_the_server_made_up_is_found_out(server, spec, tmp_path):
    """The file is said to be longer than it is, and its pixels lie past its end."""
    server.file.data = server.file.data[: len(server.file.data) // 3]
    with pytest.raises(SpecError, match="ends before its pixels do"):
        made(spec(f"{server.base}/people.tif"), tmp_path)


@pytest.mark.parametrize("after", [1, 3])
def test_a_file_that_changes_in_the_middle_is_never_mixed(server, tifs, spec, tmp_path, after):
    wanted = {made(spec(tifs[name][0], name), tmp_path).data_version for name in tifs}
    far = spec(f"{server.base}/people.tif")
    server.file.asked.clear()
    server.file.then, server.file.after = tifs["other"][1], after
    try:
        found = made(far, tmp_path)
    except ChangedError:
        found = made(far, tmp_path)
    assert found.data_version in wanted


def test_a_local_raster_that_changes_in_the_middle_is_never_mixed(tmp_path):
    path = tmp_path / "r.tif"
    write(path, pixels(1))
    raster = RasterSource(path, maximum=1000.0).open()
    raster.sample(np.full((1, 1), 500000.0), np.full((1, 1), 5400000.0))
    time.sleep(0.01)
    write(path, pixels(2))
    with pytest.raises(SpecError, match="changed while it was read"):
        raster.sample(np.full((1, 1), 500000.0), np.full((1, 1), 5400000.0))


def test_a_step_whose_input_has_changed_since_it_began_is_refused(server, tifs, spec, tmp_path):
    """It would be drawn from one state under the name of another."""
    for raster in (f"{server.base}/people.tif", tmp_path / "own.tif"):
        write(tmp_path / "own.tif", pixels(4))
        server.file.data = tifs["one"][1]
        far, layout = spec(raster), Layout(tmp_path / "data")
        made(far, tmp_path)
        versions = stored_versions(far, layout)
        assert open_inputs(far, ["people"], layout, versions).surfaces
        time.sleep(0.15)  # a file that was written this instant is looked at again anyway
        write(tmp_path / "own.tif", pixels(5))
        server.file.data = tifs["other"][1]
        with pytest.raises(StorageError, match="is not as it was"):
            open_inputs(far, ["people"], layout, versions)


def test_what_was_made_stays_usable_while_the_server_is_away(server, spec, tmp_path, monkeypatch):
    far, layout = spec(f"{server.base}/people.tif?year=2020"), Layout(tmp_path / "data")
    wanted = made(far, tmp_path).data_version
    server.close()
    monkeypatch.setattr(remote_file, "TRIES", 1)
    with pytest.warns(SynthGridWarning, match="cannot be read.*what was read of it before stands"):
        versions = stored_versions(far, layout)
    assert versions == {"people": wanted}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthGridWarning)
        surface = open_inputs(far, ["people"], layout, versions).surfaces["people"]
        with pytest.raises(UnreachableError):
            surface.make_block(5, 5)  # far outside of what is stored
    assert surface.make_block(0, 0).any()


def test_one_that_was_never_read_is_the_worlds_mistake(server, spec, tmp_path, monkeypatch):
    server.close()
    monkeypatch.setattr(remote_file, "TRIES", 1)
    with pytest.raises(SpecError, match="its host accepts no connection, 1 times"):
        spec(f"{server.base}/never.tif")


@pytest.mark.parametrize(
    ("raster", "said"),
    [
        ("https://me:sesame@example.org/a.tif", "holds credentials"),
        ("https://example.org/a.tif?X-Amz-Signature=sesame", "holds credentials"),
        ("https://example.org/a.tif?sig=sesame&year=2020", "holds credentials"),
        ("https://example.org/a.tif?access_token=sesame", "holds credentials"),
        ("s3://sesame:word@bucket/a.tif", "holds credentials"),
        ("ftp://me:sesame@example.org/a.tif", "is named by https, http, s3"),
        ("https://example.org", "names no file"),
        ("https://[1/a.tif?sesame=1", "not a well-formed address"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_telling_secrets(spec, raster, said):
    with pytest.raises(SpecError, match=re.escape(said)) as caught:
        spec(raster)
    assert "sesame@" not in str(caught.value)
    assert "=sesame" not in str(caught.value)
    assert "//sesame" not in str(caught.value)


def test_other_inputs_are_files(tmp_path):
    path = tmp_path / "far.toml"
    path.write_text(
        WORLD.format(raster="a.tif").replace('raster = "a.tif"\nmaximum = 1000.0', "")
        + '[inputs.land]\nvector = "https://example.org/land.gpkg"\n'
    )
    with pytest.raises(SpecError, match="a file on this machine is needed"):
        load_spec(path)


def test_credentials_come_from_netrc_and_are_told_to_nobody(server, spec, tmp_path):
    server.file.login = "Basic bWU6c2VzYW1l"
    with pytest.raises(SpecError, match="the server wants credentials"):
        spec(f"{server.base}/people.tif")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password sesame\n")
    http_ranges._netrc_of.cache_clear()
    far = spec(f"{server.base}/people.tif")
    record = made(far, tmp_path)
    http_ranges._netrc_of.cache_clear()
    stored = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert record.data_version
    assert stored
    secrets = (b"sesame", b"bWU6c2VzYW1l")
    assert not [path for path in stored if any(word in path.read_bytes() for word in secrets)]


def test_a_default_entry_of_netrc_goes_to_no_host(server, spec, tmp_path):
    (tmp_path / "netrc").write_text("default login me password sesame\n")
    http_ranges._netrc_of.cache_clear()
    spec(f"{server.base}/people.tif")
    http_ranges._netrc_of.cache_clear()
    assert not any("Authorization" in headers for _, _, headers in server.file.asked)


def test_the_environments_proxy_is_used(server, spec, monkeypatch):
    monkeypatch.setenv("http_proxy", server.base)
    monkeypatch.setenv("no_proxy", "")
    assert spec("http://far.example/people.tif")
    assert server.file.asked[0][0] == "http://far.example/people.tif"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("/elsewhere.tif", None),
        ("http://localhost:9/a.tif", "into a private network"),
        ("http://169.254.169.254/latest/meta-data", "into a private network"),
        ("file:///etc/passwd", "is not followed"),
    ],
)
def test_redirects_are_followed_but_not_into_private_places(server, spec, where, said):
    server.file.redirect = where
    if said is None:
        assert spec(f"{server.base}/people.tif")
        return
    with pytest.raises(SpecError, match=said):
        spec(f"{server.base}/people.tif")


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ({"fail": [404]}, "there is no such file"),
        ({"fail": [403]}, "the server refuses access"),
        ({"encoding": "gzip"}, "compresses it on the way"),
        ({"data": b"", "ranges": False}, "is empty"),
        ({"data": b"no raster" * 99}, "cannot be read as a GeoTIFF"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(server, spec, manner, said):
    vars(server.file).update(manner)
    with pytest.raises(SpecError, match=said) as caught:
        spec(f"{server.base}/people.tif")
    assert f"{server.base}/people.tif" in str(caught.value)


def test_no_more_is_read_than_the_limit(server, spec, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHGRID_REMOTE_LIMIT", "400000")
    with pytest.raises(SpecError, match=r"more than 0 MB would.*SYNTHGRID_REMOTE_LIMIT"):
        RasterSource(Address(f"{server.base}/people.tif")).open()  # looks for the maximum
    assert server.file.sent <= 400000


def test_the_cache_is_bounded_in_bytes(server, monkeypatch):
    monkeypatch.setattr(remote_file, "CACHED", 5 * remote_file.BLOCK)
    address = Address(f"{server.base}/people.tif")
    file = remote_file.RemoteFile(address, remote_file.find(address))
    rng = np.random.default_rng(5)
    for start in rng.integers(0, len(server.file.data), 40).tolist():
        size = int(rng.integers(1, 400_000))
        assert file.read([(start, size)]) == [server.file.data[start : start + size]]
        assert sum(map(len, file._blocks.values())) <= 5 * remote_file.BLOCK


def test_ranges_are_asked_for_side_by_side(server):
    server.file.delay = 0.1
    address = Address(f"{server.base}/people.tif")
    file = remote_file.RemoteFile(address, remote_file.find(address))
    server.file.asked.clear()
    apart = [(number * 2 * remote_file.BLOCK, 10) for number in range(1, 13)]
    begun = time.monotonic()
    file.read(apart)
    assert len(server.file.asked) == 12
    assert time.monotonic() - begun < 12 * 0.1


def test_a_slow_server_holds_up_no_event_loop(server, tmp_path):
    server.file.delay = 0.05
    raster = RasterSource(Address(f"{server.base}/people.tif"), maximum=1000.0).open()
    x, y = np.meshgrid(500000.0 + np.arange(64) * 64.0, 5400000.0 + np.arange(64) * 64.0)
    server.file.delay = 1.0

    async def both():
        ticks, reading = 0, asyncio.create_task(asyncio.to_thread(raster.sample, x, y))
        while not reading.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert (await reading).max() > 0
        return ticks

    assert asyncio.run(both()) > 10
    assert not [one for one in threading.enumerate() if "synthgrid-ranges" in one.name]


def test_a_raster_that_gdal_reads_otherwise_than_it_opened_is_refused(tmp_path):
    """CRS, grid and type are asserted each time that a thread hands pixels over."""
    path = tmp_path / "r.tif"
    write(path, pixels(1))
    raster = RasterSource(path, maximum=1000.0).open()
    for other in ({"crs": "EPSG:32632"}, {"values": pixels(1).astype(np.float32)}):
        write(path, other.get("values", pixels(1)), crs=other.get("crs", "EPSG:32633"))
        raster._place._state = None  # as if nobody had looked at the file's times
        with pytest.raises(SpecError, match="changed while it was read"):
            raster.sample(np.full((1, 1), 500000.0), np.full((1, 1), 5400000.0))


def test_a_bucket(tifs, spec, tmp_path, monkeypatch):
    obstore = pytest.importorskip("obstore", reason="the extra `objects` is not installed")
    moto = pytest.importorskip("moto.server", reason="moto's server is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "sesame",
        "AWS_SECRET_ACCESS_KEY": "sesame",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(known_entities, "FRESH", -1.0)
    monkeypatch.setattr(remote_file, "_LONGEST_PAUSE", 0.01)
    try:
        with pytest.raises(SpecError, match="there is no such object"):
            spec("s3://rasters/people.tif")
        store = _bucket(f"http://{host}:{port}")
        obstore.put(store, "a folder/people.tif", tifs["one"][1])
        far = spec("s3://rasters/a%20folder/people.tif")
        first = made(far, tmp_path).data_version
        assert first == made(spec(tifs["one"][0], "near"), tmp_path).data_version
        surface = input_of(far, "people").surface
        obstore.put(store, "a folder/people.tif", tifs["other"][1])
        with pytest.raises(SpecError, match="changed while it was read"):
            surface.make_block(0, 0)
        assert made(far, tmp_path).data_version != first
    finally:
        server.stop()
    monkeypatch.setattr(remote_file, "TRIES", 1)
    with pytest.raises(SpecError, match="cannot be read") as caught:
        spec("s3://rasters/never.tif")
    assert "sesame" not in str(caught.value)


def _bucket(endpoint):
    import urllib.request

    from obstore.store import from_url

    request = urllib.request.Request(f"{endpoint}/rasters", method="PUT")
    urllib.request.urlopen(request).close()
    return from_url("s3://rasters", client_options={"allow_http": True})


def test_the_first_bytes_hold_a_header():
    assert entity.FIRST == remote_file.BLOCK
