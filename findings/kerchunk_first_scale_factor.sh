#!/usr/bin/env bash
# kerchunk_first_scale_factor: files packed with different scale factors are joined under the first one
#
# Versions: Python 3.11.7, kerchunk 0.2.10, virtualizarr 2.5.1, xarray 2026.9.0, zarr 3.1.6, h5netcdf 1.8.2.
#
# Two netCDF-4 files hold the same values 10, 20, 30 as 16-bit integers, one packed with scale_factor 0.1 and
# add_offset 0, the other with 0.5 and 10. xarray.open_mfdataset returns the right values. The references that
# kerchunk (MultiZarrToZarr) and virtualizarr (open_virtual_dataset, xarray.concat with the default
# combine_attrs, to_kerchunk) make of the same two files decode the second one with the first one's factors:
# 0, 2, 4.
#
# Output seen:
#     open_mfdataset  [[10.0, 20.0, 30.0], [10.0, 20.0, 30.0]]
#     kerchunk        [[10.0, 20.0, 30.0], [0.0, 2.0, 4.0]]
#     virtualizarr    [[10.0, 20.0, 30.0], [0.0, 2.0, 4.0]]
#
# Expected: by the CF conventions (chapter "Packed Data") the two attributes belong to the variable of one
# file; packed values may only be joined if they agree. Otherwise the join must be refused or the values
# decoded before.
#
# Why it matters: weather archives pack each file by its own range of values, and virtual stores over many
# tiles or months are made to avoid a copy. The result opens, has plausible numbers and is wrong in every file
# but the first.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet kerchunk==0.2.10 virtualizarr==2.5.1 xarray==2026.9.0 zarr==3.1.6 \
  h5netcdf==1.8.2 h5py==3.16.0 netCDF4==1.7.5.1.post1 obstore==0.12.1 obspec-utils==0.9.0 "dask==2026.8.0"

venv/bin/python -W ignore - <<'PY'
import json
import os

import obspec_utils.registry
import obstore.store
import xarray
from kerchunk.combine import MultiZarrToZarr
from kerchunk.hdf import SingleHdf5ToZarr
from virtualizarr import open_virtual_dataset
from virtualizarr.parsers import HDFParser

files = []
for time, (scale, offset) in enumerate(((0.1, 0.0), (0.5, 10.0))):
    data = xarray.Dataset({"t": (("time", "x"), [[10.0, 20.0, 30.0]])}, coords={"time": [time]})
    packing = {"dtype": "int16", "scale_factor": scale, "add_offset": offset, "_FillValue": -32768}
    files.append(os.path.abspath(f"{time}.nc"))
    data.to_netcdf(files[-1], encoding={"t": packing}, engine="h5netcdf")
values = {"open_mfdataset": xarray.open_mfdataset(files, combine="by_coords").t.values.tolist()}
parts = [SingleHdf5ToZarr(file).translate() for file in files]
with open("kerchunk.json", "w") as out:
    json.dump(MultiZarrToZarr(parts, concat_dims=["time"]).translate(), out)
registry = obspec_utils.registry.ObjectStoreRegistry({"file://": obstore.store.LocalStore()})
virtual = [
    open_virtual_dataset(f"file://{file}", registry=registry, parser=HDFParser(), loadable_variables=["time"])
    for file in files
]
xarray.concat(virtual, "time").vz.to_kerchunk("virtualizarr.json", format="json")
for name in ("kerchunk", "virtualizarr"):
    values[name] = xarray.open_dataset(f"{name}.json", engine="kerchunk").t.values.tolist()
for name, found in values.items():
    print(f"{name:15}", [[round(v, 6) for v in row] for row in found])
right, wrong = [[10, 20, 30], [10, 20, 30]], [[10, 20, 30], [0, 2, 4]]
rounded = [[[round(v, 6) for v in row] for row in found] for found in values.values()]
assert rounded == [right, wrong, wrong]
PY
