"""Files that refer to others are followed on this machine, and never beyond it."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from synthgrid_assets.errors import SpecError
from synthgrid_assets.inputs.masks import MaskSource
from synthgrid_assets.inputs.rasters import Raster, RasterSource
from synthgrid_assets.inputs.sources.references import referred_files, refuse_remote
from synthgrid_assets.lattice.cells import Lattice
from synthgrid_assets_tests.inputs.sources.test_versions import OGR_VRT, VRT

LATTICE = Lattice("EPSG:32633", (500000.0, 5400000.0), 64.0)


@pytest.fixture
def asked():
    """What a server on this machine is asked for."""
    paths = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815  (the name that the server looks for)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("prefix", ["/vsicurl/", ""])
def test_a_virtual_raster_never_fetches_an_address(tmp_path, asked, prefix):
    address, paths = asked
    remote = VRT.format(source=f"{prefix}{address}/a.tif", relative=0)
    (tmp_path / "remote.vrt").write_text(remote)
    (tmp_path / "outer.vrt").write_text(VRT.format(source="remote.vrt", relative=1))
    for name in ("remote.vrt", "outer.vrt"):
        with pytest.raises(SpecError, match=r"refers to '.*127\.0\.0\.1"):
            Raster(RasterSource(tmp_path / name))
    assert paths == []


def test_a_virtual_vector_never_fetches_an_address(tmp_path, asked):
    address, paths = asked
    text = OGR_VRT.replace('relativeToVRT="1">source.gpkg', f">/vsicurl/{address}/a.gpkg")
    (tmp_path / "a.vrt").write_text(text)
    with pytest.raises(SpecError, match="which the world file does not name"):
        MaskSource(tmp_path / "a.vrt").load(LATTICE)
    assert paths == []


@pytest.mark.parametrize("root", ["GDAL_WMS", "OGRWFSDataSource", "WCS_GDAL"])
def test_a_description_of_a_service_is_refused(tmp_path, asked, root):
    address, paths = asked
    (tmp_path / "a.xml").write_text(f"<{root}><ServerUrl>{address}</ServerUrl></{root}>")
    with pytest.raises(SpecError, match="describes a web service"):
        Raster(RasterSource(tmp_path / "a.xml"))
    assert paths == []


def test_what_is_not_well_formed_is_not_left_to_a_laxer_parser(tmp_path):
    (tmp_path / "a.vrt").write_text("<VRTDataset><SourceFilename>a.tif</VRTDataset>")
    with pytest.raises(SpecError, match="not well-formed XML"):
        refuse_remote(tmp_path / "a.vrt")


def test_notes_may_hold_addresses_and_circles_end(tmp_path):
    note = "<Metadata><MDI key='source'>https://example.org</MDI></Metadata>"
    text = VRT.format(source="b.vrt", relative=1)
    (tmp_path / "a.vrt").write_text(text.replace("<VRTRasterBand", f"{note}<VRTRasterBand"))
    (tmp_path / "b.vrt").write_text(VRT.format(source="a.vrt", relative=1))
    found = referred_files(tmp_path / "a.vrt")
    assert [path.name for path in found] == ["a.vrt", "b.vrt"]
