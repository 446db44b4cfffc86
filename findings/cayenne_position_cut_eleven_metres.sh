#!/usr/bin/env bash
# cayenne_position_cut_eleven_metres: a position with four decimals arrives eleven metres away
#
# Versions: Python 3.11.7, pycayennelpp 2.4.0, cayenneLPP 0.5b3; Node.js 20.20.2, cayenne-lpp 1.0.2.
#
# Cayenne LPP, the payload of many LoRaWAN devices, has positions in whole 0.0001 degrees and heights in whole
# centimetres. Three encoders multiply by 10000 and cut what is behind the point. As 151.2102 * 10000 is a little less
# than 1512102 in binary, a position that has exactly the four decimals of the format loses one step. This happens
# to one message out of five, always towards the equator and Greenwich, and so again wherever it is relayed.
#
# Output seen (5000 positions of four decimals):
#     pycayennelpp (Python) 927 messages changed, all towards (0, 0): True; (-33.8568, 151.2102) -> [-338568, 1512101]
#     cayenneLPP (Python)  927 messages changed, all towards (0, 0): True; (-33.8568, 151.2102) -> [-338568, 1512101]
#     cayenne-lpp (npm)    927 messages changed, all towards (0, 0): True; (-33.8568, 151.2102) -> [-338568, 1512101]
#
# Expected: the format of myDevices gives 0.0001 degree and 0.01 meter as the resolution of a GPS location; a value
# that is a multiple of it has a number of its own, and other values have the nearest.
#
# Known: issue 3 of myDevicesIoT/CayenneLPP (open) asks for rounding instead of cutting, for temperatures. Positions
# that fit the format, and the packages used here, were not found there.
#
# Why it matters: a step is 11 m on the ground. A sensor that does not move stands in the neighbour's garden, and a
# point that was on the border of a cell is counted in another. An average over many devices is drawn to (0, 0).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pycayennelpp==2.4.0 cayenneLPP==0.5b3
npm install --silent --no-audit --no-fund --prefix "$folder" cayenne-lpp@1.0.2

cat > other.cjs <<'JS'
const { encoder } = require("cayenne-lpp");
const places = JSON.parse(require("fs").readFileSync(0, "utf8"));
const encode = ([latitude, longitude, altitude]) => encoder.encodeGps(1, { latitude, longitude, altitude });
console.log(JSON.stringify(places.map((place) => encode(place).toString("hex"))));
JS

venv/bin/python - <<'PY'
import json
import random
import subprocess

from cayenneLPP import CayenneLPP
from cayennelpp import LppFrame


def pycayennelpp(place):
    frame = LppFrame()
    frame.add_gps(1, *place)
    return bytes(frame)


def cayenne(place):
    frame = CayenneLPP(size=50)
    frame.add_gps(*place, 1)
    return frame.get_payload()


def steps(payload):
    return [int.from_bytes(payload[i : i + 3], "big", signed=True) for i in (2, 5, 8)]


draw = random.Random(1)
places = [
    (round(draw.uniform(-90, 90), 4), round(draw.uniform(-180, 180), 4), round(draw.uniform(0, 3000), 2))
    for _ in range(5000)
]
places[0] = (-33.8568, 151.2102, 35.25)
right = [[round(lat * 10000), round(lon * 10000), round(up * 100)] for lat, lon, up in places]
answer = subprocess.run(["node", "other.cjs"], input=json.dumps(places), capture_output=True, text=True, check=True)
coded = {
    "pycayennelpp (Python)": [pycayennelpp(place) for place in places],
    "cayenneLPP (Python)": [cayenne(place) for place in places],
    "cayenne-lpp (npm)": [bytes.fromhex(text) for text in json.loads(answer.stdout)],
}
for name, payloads in coded.items():
    found = [steps(payload) for payload in payloads]
    lost = sum(a != b for a, b in zip(found, right))
    inward = all(abs(a) - abs(b) in (0, 1) for x, y in zip(right, found) for a, b in zip(x, y))
    print(f"{name:20} {lost} messages changed, all towards (0, 0): {inward}; {places[0][:2]} -> {found[0][:2]}")
    assert 800 < lost < 1100 and inward
    assert found[0][1] == 1512101
PY
