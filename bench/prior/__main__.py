"""`python -m bench.prior`: fit the prior that is shipped, and write it with its digest.

It rests on BANKING77 (CC BY 4.0, Casanueva et al. 2020) and CLINC150 (CC BY 3.0, Larson et al. 2019), and on rewritings
of their queries by the rules beside this file. Only weights of features are shipped, no query.
"""

from __future__ import annotations

from pathlib import Path

import orjson

import cachedistill_sidecar.policy.prior as shipped
from bench.prior.fitting import prior
from bench.recall.sets import banking77, clinc150, data_home
from cachedistill_sidecar.local.models import prepare_embedder
from cachedistill_sidecar.policy.neighbourhood import NAMES

FITTED_ON = ["BANKING77, CC BY 4.0", "CLINC150, CC BY 3.0", "rewritings of their queries by rule"]


def main() -> None:
    """Fit and write."""
    home = data_home()
    fitted = prior([banking77(home), clinc150(home)], prepare_embedder())
    of = fitted.calibrator
    weights, centre, scale = (column.tolist() for column in (of.weights, of.centre, of.scale))
    columns = zip(NAMES, weights, centre, scale, strict=True)
    features = [[name, *(round(number, 6) for number in numbers)] for name, *numbers in columns]
    information = [[round(number, 7) for number in row] for row in fitted.information.tolist()]
    document = {
        "fitted_on": FITTED_ON,
        "digest": shipped.digest(features, information),
        "features": features,
        "information": information,
    }
    target = Path(shipped.__file__).with_name("prior.json")
    target.write_bytes(orjson.dumps(document) + b"\n")
    print(f"{target.name}: {document['digest']}")


if __name__ == "__main__":
    main()
