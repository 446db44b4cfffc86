#!/usr/bin/env bash
# gps_js_old_fixes_of_today: the fixes of an old log are dated today
#
# Versions: Node.js 20.20.2, gps 0.9.0, nmea-simple 3.3.0; Python 3.11.7, pynmea2 1.19.0, pynmeagps 1.1.8.
#
# Of the sentences of a receiver RMC has a date, and GGA and GLL have the time of day alone. gps and nmea-simple give
# a Date object for all of them, and take the missing day from the clock of the computer that reads. In a log of
# May 1999 the fixes alternate between May 1999 and today. The Python readers give a time without a date.
#
# Output seen ("today" stands for the day on which this is run):
#     gps           1999-05-31 12:00:00  today 12:00:01  today 12:00:02
#     nmea-simple   1999-05-31 12:00:00  today 12:00:01  today 12:00:02
#     pynmea2       12:00:00  12:00:01  12:00:02
#     pynmeagps     12:00:00  12:00:01  12:00:02
#
# Expected: NMEA 0183 has hours, minutes and seconds of UTC in GGA and GLL. A time of day, or no Date, says what is
# known. Neither README says where the day comes from.
#
# Known: no report was found for these two packages.
#
# Why it matters: logs are read again for years, and GGA is the sentence with height and quality. Sorted by time, the
# track is torn into two, decades apart; read live, a fix of 23:59:59 that is parsed after midnight lies a day ahead.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet pynmea2==1.19.0 pynmeagps==1.1.8
npm install --silent --no-audit --no-fund --prefix "$folder" gps@0.9.0 nmea-simple@3.3.0

cat > show.cjs <<'JS'
const GPS = require("gps");
const { parseNmeaSentence } = require("nmea-simple");
const Parser = GPS.GPS ?? GPS.default ?? GPS;
const rows = require("fs").readFileSync("log.nmea", "utf8").trim().split("\n");
const times = (parse) => rows.map((row) => parse(row.trim())).map((one) => one.datetime ?? one.time);
console.log(JSON.stringify({ gps: times((row) => Parser.Parse(row)), "nmea-simple": times(parseNmeaSentence) }));
JS

venv/bin/python - <<'PY'
import datetime
import functools
import json
import operator
import subprocess

import pynmea2
from pynmeagps import NMEAReader

bodies = (
    "GPRMC,120000.00,A,4807.038,N,01131.000,E,022.4,084.4,310599,003.1,W",
    "GPGGA,120001.00,4807.040,N,01131.010,E,1,08,0.9,545.4,M,46.9,M,,",
    "GPGLL,4807.042,N,01131.020,E,120002.00,A,A",
)
log = [f"${body}*{functools.reduce(operator.xor, body.encode()):02X}" for body in bodies]
with open("log.nmea", "w") as file:
    file.write("\r\n".join(log) + "\r\n")
now = datetime.datetime.now(datetime.UTC)
days = {(now + datetime.timedelta(days=by)).date().isoformat() for by in (-1, 0, 1)}  # whatever the zone
seen = json.loads(subprocess.run(["node", "show.cjs"], capture_output=True, check=True).stdout)
for name, times in seen.items():
    told = ["today " + time[11:19] if time[:10] in days else time[:10] + " " + time[11:19] for time in times]
    print(f"{name:12}", *told, sep="  ")
    assert [one[:10] for one in told] == ["1999-05-31", "today 12:0", "today 12:0"]
for name, times in (
    ("pynmea2", [pynmea2.parse(row).timestamp for row in log]),
    ("pynmeagps", [NMEAReader.parse(row + "\r\n").time for row in log]),
):
    print(f"{name:12}", *(time.strftime("%H:%M:%S") for time in times), sep="  ")
    assert all(type(time) is datetime.time for time in times)
PY
