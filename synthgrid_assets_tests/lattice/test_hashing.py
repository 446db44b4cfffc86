"""A version changes with exactly what it is made of."""

from hypothesis import given
from hypothesis import strategies as st

from synthgrid_assets.lattice.hashing import AssetVersion, Component, version_hash

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=5))
def test_the_order_of_keys_does_not_matter(content):
    assert version_hash(content) == version_hash(dict(reversed(content.items())))


@given(st.dictionaries(st.text(max_size=4), JSON, min_size=1, max_size=5), st.data())
def test_any_other_value_gives_another_hash(content, data):
    key = data.draw(st.sampled_from(sorted(content)))
    assert version_hash(content) != version_hash({**content, key: ["other", content[key]]})


def test_an_assets_version_depends_on_each_of_its_parts():
    process = Component.of("process", {"family": "poisson", "points_per_km2": 1.0}, 1)
    thinning = Component.of("thin/land", {"input": "land"}, 1)
    base = AssetVersion("base", (process, thinning), "own")
    others = [
        AssetVersion("other", (process, thinning), "own"),
        AssetVersion("base", (process,), "own"),
        AssetVersion("base", (thinning, process), "own"),
        AssetVersion("base", (process, thinning), "other"),
    ]
    versions = {version.code_version for version in (base, *others)}
    assert len(versions) == 5


def test_an_algorithms_version_is_part_of_its_component():
    assert Component.of("process", {}, 1) != Component.of("process", {}, 2)


def test_a_realisation_follows_the_data_of_its_inputs():
    version = AssetVersion("base", (), "own")
    assert version.realisation({"land": "a"}) != version.realisation({"land": "b"})
    assert version.realisation({"land": "a"}) == version.realisation({"land": "a"})
