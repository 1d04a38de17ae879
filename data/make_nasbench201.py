"""Make data/nasbench201 from the compact NAS-Bench-201: ``python data/make_nasbench201.py nasbench201.csv.gz``.

Keeps its columns and its order, writes the same bytes each time, and records where the numbers come from. What the
file must be is checked by :func:`nasbook.trials.tables.nasbench201.verify` on what was written.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from pathlib import Path

from nasbook.base.files import write_atomically
from nasbook.trials.tables import nasbench201

SOURCES = {
    "accuracies, parameters, multiply-adds": {
        "what": "NAS-Bench-201 v1.1: means over up to three seeds, in percent; weights; multiply-adds of one image",
        "cite": "X. Dong and Y. Yang, NAS-Bench-201, ICLR 2020, arXiv 2001.00326",
        "licence": "MIT",
    },
    "lat_ms_*": {
        "what": "milliseconds of one forward pass on nine devices, as collected by HELP; raspi4, pixel3, eyeriss and "
        "fpga there are those of HW-NAS-Bench",
        "cite": "H. Lee et al., HELP, NeurIPS 2021, arXiv 2106.08630; C. Li et al., HW-NAS-Bench, ICLR 2021, "
        "arXiv 2103.10584",
        "licence": "MIT",
    },
}


def main(source: str) -> None:
    """Read ``source``, write the table and its manifest, and read them back."""
    text = gzip.decompress(Path(source).read_bytes())
    packed = gzip.compress(text, compresslevel=9, mtime=0)
    folder = nasbench201.folder()
    manifest = {
        "format": 1,
        "rows": text.count(b"\n") - 1,
        "columns": text.split(b"\n", 1)[0].decode().split(","),
        "sha256": hashlib.sha256(packed).hexdigest(),
        "sha256_of_the_text": hashlib.sha256(text).hexdigest(),
        "sources": SOURCES,
    }
    folder.mkdir(exist_ok=True)
    write_atomically(folder / nasbench201.COMPACT[0], packed)
    write_atomically(folder / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    print(nasbench201.verify())


if __name__ == "__main__":
    main(sys.argv[1])
