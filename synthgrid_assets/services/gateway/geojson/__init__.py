"""GeoJSON in: bodies of any size to Arrow columns, feature by feature, nothing lost unsaid.

Belongs here: text to WKB and the rules that RFC 7946 sets for it. Not here: topology and
reference systems (`geometry`), what becomes of the rows (`landing`).
"""

from synthgrid_assets.services.gateway.geojson.batch import FeatureBatch
from synthgrid_assets.services.gateway.geojson.reader import FeatureReader, is_sequence
from synthgrid_assets.services.gateway.geojson.reasons import Limits, Note, Reason, Rejection

__all__ = [
    "FeatureBatch",
    "FeatureReader",
    "Limits",
    "Note",
    "Reason",
    "Rejection",
    "is_sequence",
    "warm_up",
]


def warm_up() -> None:
    """Load or compile the kernels, by one small body of each kind; before memory is limited."""
    feature = b'{"type":"Feature","geometry":{"type":"Point","coordinates":[0.5,1]}}'
    for text, sequence in ((b'{"type":"FeatureCollection","features":[%s]}', False), (b"%s", True)):
        for _ in FeatureReader([text % feature], sequence=sequence):
            pass
