-- The first tables. Instants are BIGINT microseconds since 1970 UTC, dates TEXT yyyy-mm-dd, ids TEXT, JSON TEXT.
-- Column names, types and keys are meant to exist on PostgreSQL in the same form.

-- A customer of this installation; everything belongs to exactly one.
CREATE TABLE tenants (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    -- None of a revoked tenant's keys is accepted.
    revoked_at BIGINT,
    -- What it may use.
    requests_per_minute BIGINT NOT NULL DEFAULT 6000,
    accounts_max        BIGINT NOT NULL DEFAULT 1000
);

-- Keys of the API. Only the SHA-256 of a key is stored.
CREATE TABLE api_keys (
    id         TEXT   NOT NULL PRIMARY KEY,
    tenant_id  TEXT   NOT NULL REFERENCES tenants (id),
    label      TEXT   NOT NULL,
    hash       BLOB   NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT,
    -- What it may be used for.
    scopes     TEXT   NOT NULL DEFAULT 'read,write,operator'
);
CREATE INDEX api_keys_by_tenant ON api_keys (tenant_id, id);

-- Connected accounts. `credentials` is sealed for this row (crates/sealing); NULL once erased.
CREATE TABLE accounts (
    id                  TEXT   NOT NULL PRIMARY KEY,
    tenant_id           TEXT   NOT NULL REFERENCES tenants (id),
    provider            TEXT   NOT NULL,
    label               TEXT   NOT NULL,
    state               TEXT   NOT NULL,
    detail              TEXT,
    created_at          BIGINT NOT NULL,
    state_changed_at    BIGINT NOT NULL,
    credentials         BLOB,
    credentials_version BIGINT NOT NULL,
    -- Whose grant it is, as a hash.
    grant_subject       TEXT,
    -- A consent that came back and is not settled; sealed like the credentials, and beside them.
    consent             BLOB,
    consent_version     BIGINT NOT NULL DEFAULT 0,
    -- When the list of calendars was last read.
    listed_at           BIGINT,
    -- When the channel on the list of calendars ends.
    channel_expires_at  BIGINT
);
CREATE INDEX accounts_by_tenant ON accounts (tenant_id, id);
CREATE INDEX accounts_open ON accounts (provider) WHERE state <> 'disconnected';
-- Those that a workflow has yet to hear of, or to take down.
CREATE INDEX accounts_pending ON accounts (id) WHERE consent IS NOT NULL OR state IN ('connecting', 'disconnecting');
CREATE INDEX accounts_by_grant ON accounts (grant_subject) WHERE grant_subject IS NOT NULL;

-- Consents under way, each good for one use. No reference to accounts: a new account does not exist yet.
CREATE TABLE authorizations (
    state_hash    BLOB   NOT NULL PRIMARY KEY,
    tenant_id     TEXT   NOT NULL REFERENCES tenants (id),
    provider      TEXT   NOT NULL,
    account_id    TEXT   NOT NULL,
    label         TEXT   NOT NULL,
    code_verifier BLOB   NOT NULL,
    redirect_uri  TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    -- Whether a user who is connected already may be connected once more.
    allow_duplicate BOOLEAN NOT NULL,
    -- When it came back, and the SHA-256 of what it came back with: the same once more is a reload of the page.
    taken_at      BIGINT,
    answer_hash   BLOB,
    -- What came of it (JSON), once that is known.
    outcome       TEXT
);
CREATE INDEX authorizations_by_expiry ON authorizations (expires_at);
CREATE INDEX authorizations_by_account ON authorizations (account_id, taken_at);

-- Mirrored calendars: what the provider says, the subscription's state, and how far the reading has come.
CREATE TABLE calendars (
    id                           TEXT    NOT NULL PRIMARY KEY,
    tenant_id                    TEXT    NOT NULL REFERENCES tenants (id),
    account_id                   TEXT    NOT NULL REFERENCES accounts (id),
    provider_calendar_id         TEXT    NOT NULL,
    title                        TEXT    NOT NULL,
    time_zone                    TEXT,
    access_role                  TEXT    NOT NULL,
    is_primary                   BOOLEAN NOT NULL,
    id_follows_address           BOOLEAN NOT NULL,
    state                        TEXT    NOT NULL,
    detail                       TEXT,
    state_changed_at             BIGINT  NOT NULL,
    -- The `at` of the newest record; an older one is ignored.
    state_recorded_at            BIGINT  NOT NULL,
    channel_expires_at           BIGINT,
    -- Compared and set by each commit.
    revision                     BIGINT  NOT NULL DEFAULT 0,
    generation                   BIGINT  NOT NULL DEFAULT 0,
    sync_cursor                  TEXT    NOT NULL,
    window_end                   BIGINT,
    -- The oldest zone data by which any of its series was expanded; NULL before the first pass.
    zone_data                    TEXT,
    -- The last number given in the change feed.
    change_sequence              BIGINT  NOT NULL DEFAULT 0,
    event_count                  BIGINT  NOT NULL DEFAULT 0,
    confirmed_at                 BIGINT,
    confirmed_via                TEXT,
    last_sync_finished_at        BIGINT,
    last_sync_changes            BIGINT,
    last_sync_notice_to_stored_ms BIGINT,
    UNIQUE (account_id, provider_calendar_id)
);
CREATE INDEX calendars_by_tenant ON calendars (tenant_id, id);
CREATE INDEX calendars_by_zone_data ON calendars (zone_data, id);
CREATE INDEX calendars_withdrawn ON calendars (state_changed_at) WHERE state IN ('closed', 'action_required');

-- What readers see of a mirror, numbered: each commit that changes it writes the next number, and the times at which it does.
-- Unlike `calendars.revision`, a commit that changes nothing leaves no number. Old numbers are dropped.
CREATE TABLE mirror_revisions (
    calendar_id TEXT    NOT NULL REFERENCES calendars (id),
    revision    BIGINT  NOT NULL,
    -- One of the spans of this number.
    span        BIGINT  NOT NULL,
    -- Whether it is a span of dates, each as its midnight in UTC, or of instants. Half open.
    all_day     BOOLEAN NOT NULL,
    from_us     BIGINT  NOT NULL,
    to_us       BIGINT  NOT NULL,
    PRIMARY KEY (calendar_id, revision, span)
) WITHOUT ROWID;

-- The register of push channels; not every provider lists them.
CREATE TABLE channels (
    id          TEXT   NOT NULL PRIMARY KEY,
    account_id  TEXT   NOT NULL REFERENCES accounts (id),
    -- NULL where it watches the account's list of calendars.
    calendar_id TEXT   REFERENCES calendars (id),
    -- What the provider calls it, where our id does not suffice to close it.
    remote_id   TEXT,
    state       TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    -- When the provider answered that it is live, and when it was stopped or found to be gone.
    live_at     BIGINT,
    ended_at    BIGINT,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX channels_by_calendar ON channels (calendar_id, id);
CREATE INDEX channels_by_list ON channels (account_id, id) WHERE calendar_id IS NULL;

-- The mirror: single events, masters, exceptions and cancelled occurrences. Here, and in the next two tables, the calendar is
-- no reference: each transaction that writes them has changed its calendar's row first, which is never deleted, and a check
-- of each of a hundred thousand rows costs a third of writing them.
CREATE TABLE events (
    calendar_id       TEXT   NOT NULL,
    provider_event_id TEXT   NOT NULL,
    -- The full pass that saw the row last; a sweep deletes older ones.
    generation        BIGINT NOT NULL,
    -- single, master, exception, cancelled or occurrence.
    kind              TEXT   NOT NULL,
    series_master_id  TEXT,
    fingerprint       TEXT   NOT NULL,
    -- The provider's own mark of this version.
    version           TEXT,
    -- Whether something of it could not be taken as it was sent.
    warned            BOOLEAN NOT NULL,
    -- JSON: an event, or for an occurrence its place in the series.
    body              TEXT   NOT NULL,
    -- The provider's own text, where it is kept. The last column, so that whoever reads the body does not go through it.
    raw               TEXT,
    PRIMARY KEY (calendar_id, provider_event_id)
);
CREATE INDEX events_warned ON events (calendar_id, provider_event_id) WHERE warned;
CREATE INDEX events_by_series ON events (calendar_id, series_master_id) WHERE series_master_id IS NOT NULL;
CREATE INDEX events_masters ON events (calendar_id, provider_event_id) WHERE kind = 'master';
CREATE INDEX events_cancelled ON events (calendar_id, series_master_id) WHERE kind = 'cancelled';

-- Occurrences, replaced per owner (a master or a single event): of series those inside the window. The key is the order of
-- reading; it is short because it stands twice for each of many rows. A time is an instant, with the zone it was written
-- in, or with `all_day` a date, as its midnight in UTC.
CREATE TABLE occurrences (
    calendar_id      TEXT    NOT NULL,
    all_day          BOOLEAN NOT NULL,
    start_us         BIGINT  NOT NULL,
    owner_id         TEXT    NOT NULL,
    -- Where the rule put it: with `original_all_day` a date, else an instant.
    original_us      BIGINT  NOT NULL,
    original_all_day BOOLEAN NOT NULL,
    original_zone    TEXT,
    source_id        TEXT    NOT NULL,
    series_id        TEXT,
    start_zone       TEXT,
    end_us           BIGINT  NOT NULL,
    end_zone         TEXT,
    -- How long it is, by classes (src/entities/mirror/occurrences.rs): what is not in the long ones cannot have begun long ago.
    length_class     BIGINT  NOT NULL,
    PRIMARY KEY (calendar_id, all_day, start_us, owner_id, original_us)
) WITHOUT ROWID;
CREATE INDEX occurrences_long ON occurrences (calendar_id, all_day, length_class, start_us) WHERE length_class > 0;
CREATE INDEX occurrences_by_owner ON occurrences (calendar_id, owner_id);

-- The change feed: exactly the difference between two states of a mirror, numbered per calendar without gaps.
CREATE TABLE changes (
    calendar_id        TEXT   NOT NULL,
    sequence           BIGINT NOT NULL,
    kind               TEXT   NOT NULL,
    provider_event_id  TEXT   NOT NULL,
    before_fingerprint TEXT,
    after_fingerprint  TEXT,
    committed_at       BIGINT NOT NULL,
    PRIMARY KEY (calendar_id, sequence)
) WITHOUT ROWID;

-- Events that could not be read, by id, or by a hash of what was sent where even the id could not be read.
CREATE TABLE quarantine (
    calendar_id       TEXT   NOT NULL REFERENCES calendars (id),
    item_key          TEXT   NOT NULL,
    provider_event_id TEXT,
    generation        BIGINT NOT NULL,
    reason            TEXT   NOT NULL,
    raw               TEXT   NOT NULL,
    first_seen_at     BIGINT NOT NULL,
    PRIMARY KEY (calendar_id, item_key)
);

-- What the running pass has named and not fetched yet, with the provider's own mark of the version where it said so.
CREATE TABLE pass_worklist (
    calendar_id       TEXT   NOT NULL REFERENCES calendars (id),
    provider_event_id TEXT NOT NULL,
    version           TEXT,
    PRIMARY KEY (calendar_id, provider_event_id)
);

-- The sync log: one line per run and attempt.
CREATE TABLE sync_runs (
    dedup_key   TEXT   NOT NULL PRIMARY KEY,
    calendar_id TEXT   NOT NULL REFERENCES calendars (id),
    reason      TEXT   NOT NULL,
    started_at  BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    outcome     TEXT   NOT NULL,
    pages       BIGINT NOT NULL,
    changes     BIGINT NOT NULL,
    detail      TEXT
);
CREATE INDEX sync_runs_by_calendar ON sync_runs (calendar_id, started_at);

-- What happened, for people who ask later. No references: it outlives what it is about.
CREATE TABLE audit_log (
    dedup_key   TEXT   NOT NULL PRIMARY KEY,
    at          BIGINT NOT NULL,
    kind        TEXT   NOT NULL,
    tenant_id   TEXT,
    account_id  TEXT,
    calendar_id TEXT,
    message     TEXT   NOT NULL
);
CREATE INDEX audit_log_by_time ON audit_log (at);
CREATE INDEX audit_log_by_calendar ON audit_log (calendar_id, at);
CREATE INDEX audit_log_by_tenant ON audit_log (tenant_id, at);

-- Refused notices and calls, counted per kind, network and day, so that a flood is few rows.
CREATE TABLE security_events (
    kind    TEXT   NOT NULL,
    -- Days since 1970 UTC.
    day     BIGINT NOT NULL,
    source  TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    message TEXT   NOT NULL,
    count   BIGINT NOT NULL,
    PRIMARY KEY (kind, day, source)
);
CREATE INDEX security_events_by_day ON security_events (day);
CREATE INDEX security_events_by_time ON security_events (last_at);

-- When each service was last healthy; the names of workers begin with `worker/`.
CREATE TABLE heartbeats (
    service TEXT   NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL
);

-- Whose database this is, in its only row: Temporal's namespace has the same id, so that neither works with a stranger.
CREATE TABLE installation (
    place      BIGINT NOT NULL PRIMARY KEY,
    id         TEXT   NOT NULL,
    -- When a process showed last that it can write.
    written_at BIGINT NOT NULL
);

-- Work that one of several processes does for all, such as signalling every calendar to catch up.
CREATE TABLE claims (
    name       TEXT   NOT NULL PRIMARY KEY,
    -- Who does it, until when; afterwards anybody may.
    holder     TEXT   NOT NULL,
    held_until BIGINT NOT NULL,
    -- How often it was begun, and the last one that was done to its end. Counted, since clocks differ.
    begun      BIGINT NOT NULL,
    done       BIGINT NOT NULL
);

-- The trouble that a provider is in with the whole installation, as long as it is: it refuses it, or a process has it off. Reported
-- again and again where nobody can see its end.
CREATE TABLE provider_incidents (
    provider    TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    cause       TEXT   NOT NULL,
    since       BIGINT NOT NULL,
    reported_at BIGINT NOT NULL,
    PRIMARY KEY (provider, kind)
);
