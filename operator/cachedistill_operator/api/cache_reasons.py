"""Why a SemanticCache's condition is as it is: a closed list, from which the docs are generated."""

from __future__ import annotations

from cachedistill_operator.api.word import Word


class CacheReason(Word):
    """The reason of a condition, with what it means and what to do about it."""

    # All is well.
    READY = "Ready", "Redis answers and the index is complete"
    CONNECTED = "Connected", "Redis answers, and lets the controller in"
    INDEX_COMPLETE = "IndexComplete", "the index of the wanted embedding holds what is stored"
    CERTIFIED = "Certified", "what is served by meaning keeps the budget of each rule that does so"
    NOTHING_TO_CERTIFY = "NothingToCertify", "no route compares queries by meaning"
    NOTHING_TO_DO = "NothingToDo", "the cluster is as the resource says"
    # It will be, by itself.
    PROGRESSING = "Progressing", "the resource was seen, and is being worked on"
    STARTING = "Starting", "the managed Redis has no ready pod yet, or is loading what it has stored"
    WAITING_FOR_REDIS = "WaitingForRedis", "nothing can be said before Redis answers"
    BUILDING = "Building", "a Job is building the vector index; sidecars answer exact hits, and new queries by meaning"
    MIGRATING = "Migrating", "a Job is building the index of another embedding; until it is complete the old one serves"
    NOT_ENOUGH_LABELS = (
        "NotEnoughLabels",
        "too little is known yet of right and wrong answers; a rule that the message names has exact hits only",
    )
    DELETING_DATA = "DeletingData", "the resource goes, and what is stored under its prefix goes first"
    # Somebody should look.
    UNREACHABLE = "Unreachable", "Redis does not answer; sidecars send requests on to the fallback meanwhile"
    POD_FAILING = "PodFailing", "the pod of the managed Redis can't run; the message says why"
    REFUSED = "Refused", "Redis refuses the user or the password, or does not let that user do what is needed"
    SECRET_NOT_FOUND = "SecretNotFound", "a Secret that the resource names is not there, or lacks the key"
    INVALID_URL = "InvalidUrl", "the Secret holds no Redis URL"
    INVALID_KEY = "InvalidKey", "the Secret holds no keys of 32 bytes in base64, one a line"
    INVALID_SPEC = "InvalidSpec", "the resource does not fit this version of the operator"
    STORAGE_UNCHANGED = (
        "StorageUnchanged",
        "the storage can't become what the resource says; the message says what to do",
    )
    NO_QUERY_ENGINE = "NoQueryEngine", "this Redis has no query engine: exact hits only; Redis 8 has it"
    BUILD_FAILED = "BuildFailed", "the Job that builds the index failed; it is tried again every few minutes"
    BUDGET_AT_RISK = (
        "BudgetAtRisk",
        "more answers served by meaning were wrong than a rule's budget allows, or soon will be",
    )
    DRIFTING = (
        "Drifting",
        "right and wrong have changed since they were learnt; a rule serves less by meaning until it knows",
    )
    DATA_LEFT = "DataLeft", "the resource went, but Redis did not answer for ten minutes: what it stored is still there"
