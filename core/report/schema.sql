-- Convoy's database, results/convoy.db: what all runs were, logged and came to.
--
-- It holds nothing of its own: everything in it comes from the run folders and the journal of evaluations beside it, and
-- `convoy db rebuild` makes it again from them. One that an older Convoy wrote is brought up to date in one transaction, with
-- the rows of runs whose folder is gone (report/migrate.h). The VIEWS are the documented interface and stay as they are; the
-- tables below them may change with schema_version. Run "r12" is number 12 in the tables, sweep "s3" is number 3. Times are
-- seconds since 1970, UTC (datetime(created, 'unixepoch')). A value that is not a number (nan) is NULL; infinities are Inf and
-- -Inf.

CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES (5);

-- ---- what was planned: from run.json and sweep.json -----------------------------------------------------------------

CREATE TABLE sweeps (
    number      INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,   -- "s3"
    experiment  TEXT,
    source      TEXT,                   -- the experiment file
    created     REAL,
    method      TEXT,                   -- grid, random, ...
    metric      TEXT,                   -- what decides which trial is best, as val_accuracy
    goal        TEXT,                   -- minimize or maximize
    trials      INTEGER,                -- planned
    description TEXT                    -- the whole sweep.json
);

CREATE TABLE runs (
    number          INTEGER PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE, -- "r12"
    experiment      TEXT,
    label           TEXT,               -- what tells it from the sweep's other trials
    created         REAL,
    source          TEXT,               -- the experiment file
    base_dir        TEXT,
    overrides       TEXT,               -- JSON array of "path=value"
    sweep           INTEGER,            -- number, NULL for a single run
    trial           INTEGER,            -- within the sweep, NULL for a single run
    repeat          INTEGER,
    seed            INTEGER,
    config_hash     TEXT,               -- equal for "the same run"
    exact_key       TEXT,               -- equal where the same bits are promised
    model           TEXT,
    parameters      INTEGER,
    trainable       INTEGER,
    macs            INTEGER,            -- multiply-accumulates of one sample's forward pass
    epochs          INTEGER,            -- planned
    steps_per_epoch INTEGER,
    dataset         TEXT,
    fingerprint     TEXT,
    train_samples   INTEGER,
    val_samples     INTEGER,
    test_samples    INTEGER,
    classes         INTEGER,
    metric          TEXT,               -- what decides which epoch is best
    goal            TEXT                -- minimize or maximize
);
CREATE INDEX runs_by_experiment ON runs (experiment);
CREATE INDEX runs_by_sweep ON runs (sweep) WHERE sweep IS NOT NULL;

CREATE TABLE members (                  -- which run stands for a sweep's trial, where it is not the one made for it: the
    sweep  INTEGER NOT NULL,            -- same configuration had been trained before; sweep.json and its decisions
    trial  INTEGER NOT NULL,
    repeat INTEGER NOT NULL,
    run    INTEGER NOT NULL,
    label  TEXT,                        -- what tells the trial from others; the run was made for something else
    PRIMARY KEY (sweep, trial, repeat)
) WITHOUT ROWID;

CREATE TABLE member_params (            -- the experiment as the trial has it: the same configuration can be written in
    sweep  INTEGER NOT NULL,            -- several ways, and what a sweep varies inside a model is named in its trials only
    trial  INTEGER NOT NULL,
    repeat INTEGER NOT NULL,
    path   TEXT NOT NULL,
    value  TEXT,
    PRIMARY KEY (sweep, trial, repeat, path)
) WITHOUT ROWID;

CREATE TABLE params (                   -- the resolved experiment, one row per dotted path
    run   INTEGER NOT NULL,
    path  TEXT NOT NULL,                -- "train.optimizer.lr"
    value TEXT,
    PRIMARY KEY (run, path)
) WITHOUT ROWID;

CREATE TABLE environment (              -- host, cpu, isa, threads, library versions
    run   INTEGER NOT NULL,
    key   TEXT NOT NULL,
    value TEXT,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;

CREATE TABLE plugins (
    run    INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    name   TEXT NOT NULL,
    path   TEXT,
    sha256 TEXT,
    PRIMARY KEY (run, kind, name)
) WITHOUT ROWID;

-- ---- what happened: from the journals -------------------------------------------------------------------------------

CREATE TABLE attempts (                 -- a run that was stopped and resumed has several
    run       INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,         -- from 1
    pid       INTEGER,
    started   REAL,
    from_step INTEGER,                  -- the step it resumed from
    exact_key TEXT,
    state     TEXT,                     -- as it said itself: finished, stopped, failed
    end_step  INTEGER,
    end_text  TEXT,
    code      INTEGER,                  -- exit code and signal, as the supervisor saw them
    signal    INTEGER,
    seconds   REAL,
    ended     REAL,
    ruling    TEXT,                     -- what its end means, where the supervisor knows better: paused, stopped early,
    ruling_text TEXT,                   -- killed; and why
    PRIMARY KEY (run, attempt)
) WITHOUT ROWID;

CREATE TABLE metric_names (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
INSERT INTO metric_names (id, name) VALUES
    (1, 'train_loss'), (2, 'train_accuracy'), (3, 'train_top5_accuracy'),
    (4, 'val_loss'),   (5, 'val_accuracy'),   (6, 'val_top5_accuracy'),
    (7, 'test_loss'),  (8, 'test_accuracy'),  (9, 'test_top5_accuracy');

CREATE TABLE metrics (                  -- by far the largest table
    run     INTEGER NOT NULL,
    scope   INTEGER NOT NULL,           -- 0 step, 1 epoch, 2 run
    metric  INTEGER NOT NULL,           -- metric_names.id
    step    INTEGER NOT NULL,           -- optimizer updates done
    epoch   INTEGER NOT NULL,           -- scope epoch: epochs finished
    value   REAL,
    attempt INTEGER NOT NULL,           -- that logged it last
    PRIMARY KEY (run, scope, metric, step)
) WITHOUT ROWID;

CREATE TABLE timings (                  -- seconds, images per second, memory: measured, outside the promise of equal bits
    run    INTEGER NOT NULL,
    metric INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    epoch  INTEGER NOT NULL,
    value  REAL,
    PRIMARY KEY (run, metric, step)
) WITHOUT ROWID;

CREATE TABLE histogram_list (           -- of tensors, at the ends of epochs
    run     INTEGER NOT NULL,
    tensor  TEXT NOT NULL,              -- "stem.weight"
    kind    TEXT NOT NULL,              -- weights or gradient
    step    INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    low     REAL,                       -- where the first bucket begins and the last one ends
    high    REAL,
    mean    REAL,
    sd      REAL,
    counts  TEXT,                       -- JSON array: how many numbers are in each of the buckets, which are equally wide
    attempt INTEGER NOT NULL,           -- that logged it last
    PRIMARY KEY (run, tensor, kind, step)
) WITHOUT ROWID;

CREATE TABLE kernels (                  -- the algorithm chosen for each node
    run    INTEGER NOT NULL,
    node   TEXT NOT NULL,
    choice TEXT,
    PRIMARY KEY (run, node)
) WITHOUT ROWID;

CREATE TABLE artifacts (                -- files in the run's folder
    run  INTEGER NOT NULL,
    path TEXT NOT NULL,
    kind TEXT,
    step INTEGER,
    PRIMARY KEY (run, path)
) WITHOUT ROWID;

CREATE TABLE evaluation_list (          -- what `convoy eval` measured of trained runs, alone and together
    id      INTEGER PRIMARY KEY,        -- where the journal of evaluations says so
    key     TEXT NOT NULL UNIQUE,       -- equal for the same weights on the same samples: the later counts
    part    TEXT,                       -- train, validation, test
    weights TEXT,                       -- best, last, average
    dataset TEXT,
    fingerprint TEXT,                   -- of the samples' files; empty where the configuration says all
    overrides   TEXT,                   -- JSON array of "path=value"
    height  INTEGER,                    -- of the input, where it was resized
    width   INTEGER,
    members INTEGER,                    -- 1: a run alone
    samples INTEGER,
    time    REAL
);

CREATE TABLE evaluation_runs (          -- whose weights
    evaluation  INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    run         INTEGER NOT NULL,
    epoch       INTEGER,
    config_hash TEXT,                   -- of the run then: another one may bear its name by now
    PRIMARY KEY (evaluation, position)
) WITHOUT ROWID;

CREATE TABLE evaluation_values (
    evaluation INTEGER NOT NULL,
    metric     TEXT NOT NULL,           -- loss, accuracy, top5_accuracy, calibration_error
    value      REAL,
    PRIMARY KEY (evaluation, metric)
) WITHOUT ROWID;

CREATE TABLE tags (
    owner TEXT NOT NULL,                -- "r12" or "s3"
    tag   TEXT NOT NULL,
    time  REAL,
    PRIMARY KEY (owner, tag)
) WITHOUT ROWID;

CREATE TABLE events (                   -- warnings, damage, divergence, a sweep's decisions
    owner  TEXT NOT NULL,               -- "r12" or "s3"
    file   TEXT NOT NULL,               -- the journal that says so, and where
    offset INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    text   TEXT,
    time   REAL,
    PRIMARY KEY (owner, file, offset, kind)
) WITHOUT ROWID;

CREATE TABLE cursors (                  -- how far each file was read; moves in the transaction that inserts its rows
    owner  TEXT NOT NULL,
    file   TEXT NOT NULL,
    offset INTEGER NOT NULL,
    size   INTEGER NOT NULL,            -- of the file, then
    stamp  INTEGER NOT NULL,            -- nanoseconds of run.json's and sweep.json's last change; 0 for journals
    damaged INTEGER NOT NULL,           -- 1: nothing behind offset can be read
    PRIMARY KEY (owner, file)
) WITHOUT ROWID;

CREATE TABLE run_facts (                -- what all these come to for each run, so that thousands can be listed at once: the row of
    run               INTEGER PRIMARY KEY, -- run_figures, taken again in each transaction that changed something of the run
    state             TEXT,
    epochs_done       INTEGER,
    best_epoch        INTEGER,
    best              REAL,
    best_val_accuracy REAL,
    best_val_loss     REAL,
    test_accuracy     REAL,
    test_loss         REAL,
    seconds           REAL,
    attempts          INTEGER,
    tags              TEXT
);

CREATE TABLE settled (                  -- runs whose last attempt was seen to end, with all their files read: looked into again
    run    INTEGER PRIMARY KEY,         -- once the folder or the events are not as they were
    stamp  INTEGER NOT NULL,            -- nanoseconds of its events' last change
    events INTEGER NOT NULL             -- bytes
);

-- ---- the documented interface ---------------------------------------------------------------------------------------

CREATE VIEW attempt_states AS
SELECT run AS number, attempt, from_step, started, ended, seconds, end_step,
       coalesce(nullif(ruling_text, ''), end_text) AS end_text, code, signal,
       CASE WHEN ruling IS NOT NULL AND state IS NOT 'finished' THEN ruling
            WHEN state IN ('finished', 'stopped', 'failed') THEN state
            WHEN state IS NOT NULL THEN 'failed'
            WHEN signal > 0 THEN 'killed'
            WHEN code = 0 THEN 'finished'
            WHEN code = 75 THEN 'stopped'
            WHEN code IS NOT NULL THEN 'failed'
            ELSE 'running' END AS state
FROM attempts;

-- Not for asking: what run_facts keeps of each run.
CREATE VIEW run_figures AS
SELECT r.number AS run,
       coalesce((SELECT a.state FROM attempt_states a WHERE a.number = r.number ORDER BY a.attempt DESC LIMIT 1),
                'planned') AS state,
       (SELECT max(m.epoch) FROM metrics m WHERE m.run = r.number AND m.scope = 1) AS epochs_done,
       (SELECT min(m.epoch) FROM metrics m WHERE m.run = r.number AND m.scope = 1
           AND m.metric = (SELECT id FROM metric_names WHERE name = r.metric)
           AND m.value = (SELECT CASE r.goal WHEN 'minimize' THEN min(b.value) ELSE max(b.value) END
                            FROM metrics b WHERE b.run = m.run AND b.scope = 1 AND b.metric = m.metric)) AS best_epoch,
       coalesce((SELECT CASE r.goal WHEN 'minimize' THEN min(m.value) ELSE max(m.value) END
                   FROM metrics m WHERE m.run = r.number AND m.scope = 1
                    AND m.metric = (SELECT id FROM metric_names WHERE name = r.metric)),
                (SELECT m.value FROM metrics m WHERE m.run = r.number AND m.scope = 2
                    AND m.metric = (SELECT id FROM metric_names WHERE name = r.metric)
                  ORDER BY m.step DESC LIMIT 1)) AS best,
       (SELECT max(m.value) FROM metrics m WHERE m.run = r.number AND m.scope = 1
           AND m.metric = (SELECT id FROM metric_names WHERE name = 'val_accuracy')) AS best_val_accuracy,
       (SELECT min(m.value) FROM metrics m WHERE m.run = r.number AND m.scope = 1
           AND m.metric = (SELECT id FROM metric_names WHERE name = 'val_loss')) AS best_val_loss,
       (SELECT m.value FROM metrics m WHERE m.run = r.number AND m.scope = 2
           AND m.metric = (SELECT id FROM metric_names WHERE name = 'test_accuracy')
         ORDER BY m.step DESC LIMIT 1) AS test_accuracy,
       (SELECT m.value FROM metrics m WHERE m.run = r.number AND m.scope = 2
           AND m.metric = (SELECT id FROM metric_names WHERE name = 'test_loss')
         ORDER BY m.step DESC LIMIT 1) AS test_loss,
       (SELECT sum(a.seconds) FROM attempts a WHERE a.run = r.number) AS seconds,
       (SELECT count(*) FROM attempts a WHERE a.run = r.number) AS attempts,
       (SELECT group_concat(t.tag, ' ') FROM tags t WHERE t.owner = r.name) AS tags
FROM runs r;

-- One row per run. state: planned, running, finished, paused (between two legs of a sweep with early termination),
-- stopped early (by such a sweep), stopped, failed, killed.
CREATE VIEW run_summary AS
SELECT r.name AS name, r.experiment AS experiment,
       CASE WHEN r.sweep IS NULL THEN NULL ELSE 's' || r.sweep END AS sweep, r.trial AS trial, r.repeat AS repeat,
       r.seed AS seed, r.label AS label, coalesce(f.state, 'planned') AS state,
       r.model AS model, r.dataset AS dataset, r.parameters AS parameters, r.trainable AS trainable, r.macs AS macs,
       r.epochs AS epochs, f.epochs_done AS epochs_done, r.metric AS metric, r.goal AS goal,
       f.best_epoch AS best_epoch, f.best AS best, f.best_val_accuracy AS best_val_accuracy,
       f.best_val_loss AS best_val_loss, f.test_accuracy AS test_accuracy, f.test_loss AS test_loss,
       f.seconds AS seconds, coalesce(f.attempts, 0) AS attempts,
       r.created AS created, r.source AS source, r.config_hash AS config_hash, r.exact_key AS exact_key,
       f.tags AS tags
FROM runs r LEFT JOIN run_facts f ON f.run = r.number;

-- Metrics of each epoch: train_loss, train_accuracy, val_loss, val_accuracy, ... One row per run, metric and epoch.
CREATE VIEW curves AS
SELECT r.name AS run, n.name AS metric, m.step AS step, m.epoch AS epoch, m.value AS value
FROM metrics m JOIN runs r ON r.number = m.run JOIN metric_names n ON n.id = m.metric
WHERE m.scope = 1;

-- Metrics logged between the epochs' ends: train_loss, lr, ...
CREATE VIEW step_curves AS
SELECT r.name AS run, n.name AS metric, m.step AS step, m.epoch AS epoch, m.value AS value
FROM metrics m JOIN runs r ON r.number = m.run JOIN metric_names n ON n.id = m.metric
WHERE m.scope = 0;

-- Metrics of a whole run: test_loss, test_accuracy, ...
CREATE VIEW run_metrics AS
SELECT r.name AS run, n.name AS metric, m.step AS step, m.epoch AS epoch, m.value AS value
FROM metrics m JOIN runs r ON r.number = m.run JOIN metric_names n ON n.id = m.metric
WHERE m.scope = 2;

-- Measured values: seconds, images_per_second, rss_bytes.
CREATE VIEW measured AS
SELECT r.name AS run, n.name AS metric, m.step AS step, m.epoch AS epoch, m.value AS value
FROM timings m JOIN runs r ON r.number = m.run JOIN metric_names n ON n.id = m.metric;

-- Of the weights and the last gradient of each tensor (train.histograms): kind is weights or gradient; counts a JSON array of
-- how many numbers lie in each of the equally wide buckets from low to high.
CREATE VIEW histograms AS
SELECT r.name AS run, h.tensor AS tensor, h.kind AS kind, h.step AS step, h.epoch AS epoch, h.low AS low,
       h.high AS high, h.mean AS mean, h.sd AS sd, h.counts AS counts
FROM histogram_list h JOIN runs r ON r.number = h.run;

CREATE VIEW run_params AS
SELECT r.name AS run, p.path AS path, p.value AS value FROM params p JOIN runs r ON r.number = p.run;

CREATE VIEW run_environment AS
SELECT r.name AS run, v.key AS key, v.value AS value FROM environment v JOIN runs r ON r.number = v.run;

CREATE VIEW run_plugins AS
SELECT r.name AS run, p.kind AS kind, p.name AS name, p.path AS path, p.sha256 AS sha256
FROM plugins p JOIN runs r ON r.number = p.run;

CREATE VIEW run_attempts AS
SELECT r.name AS run, a.attempt AS attempt, a.state AS state, a.from_step AS from_step, a.end_step AS end_step,
       a.started AS started, a.ended AS ended, a.seconds AS seconds, a.code AS code, a.signal AS signal,
       a.end_text AS text
FROM attempt_states a JOIN runs r ON r.number = a.number;

CREATE VIEW run_kernels AS
SELECT r.name AS run, k.node AS node, k.choice AS choice FROM kernels k JOIN runs r ON r.number = k.run;

CREATE VIEW run_artifacts AS
SELECT r.name AS run, a.kind AS kind, a.path AS path, a.step AS step FROM artifacts a JOIN runs r ON r.number = a.run;

-- What `convoy eval` measured: one row per evaluation and metric. runs: "r1", or of an ensemble "r1 r2 r3". Of runs that are
-- no longer there nothing is shown.
CREATE VIEW evaluations AS
SELECT l.id AS evaluation,
       (SELECT group_concat('r' || o.run, ' ')
          FROM (SELECT m.run AS run FROM evaluation_runs m WHERE m.evaluation = l.id ORDER BY m.position) o) AS runs,
       l.members AS members, l.part AS part, l.weights AS weights, l.dataset AS dataset, l.overrides AS overrides,
       l.height AS height, l.width AS width, l.samples AS samples, v.metric AS metric, v.value AS value, l.time AS time
FROM evaluation_list l JOIN evaluation_values v ON v.evaluation = l.id
WHERE NOT EXISTS (SELECT 1 FROM evaluation_runs m WHERE m.evaluation = l.id
                     AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.number = m.run AND r.config_hash = m.config_hash));

-- The runs of each evaluation, for joining.
CREATE VIEW evaluation_members AS
SELECT evaluation, 'r' || run AS run, epoch FROM evaluation_runs;

-- owner: "r12" or "s3", or "evaluations"
CREATE VIEW event_log AS
SELECT owner, time, kind, text, file, offset FROM events;

-- Not for asking: the runs of each sweep by number.
CREATE VIEW sweep_places AS
SELECT sweep, trial, repeat, run, label FROM members
UNION ALL
SELECT o.sweep, o.trial, coalesce(o.repeat, 0), o.number, NULL FROM runs o
 WHERE o.sweep IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM members m
                    WHERE m.sweep = o.sweep AND m.trial = o.trial AND m.repeat = coalesce(o.repeat, 0));

-- Not for asking: the same with what counts there.
CREATE VIEW sweep_values AS
SELECT k.sweep AS sweep, k.trial AS trial, k.repeat AS repeat, k.run AS run, coalesce(k.label, r.label) AS label, r.created AS created, f.state AS state,
       coalesce(s.metric, r.metric) AS metric, coalesce(s.goal, r.goal) AS goal,
       CASE WHEN coalesce(s.metric, r.metric) IS r.metric AND coalesce(s.goal, r.goal) IS r.goal THEN f.best ELSE
       coalesce((SELECT CASE coalesce(s.goal, r.goal) WHEN 'minimize' THEN min(m.value) ELSE max(m.value) END
                   FROM metrics m WHERE m.run = k.run AND m.scope = 1
                    AND m.metric = (SELECT id FROM metric_names WHERE name = coalesce(s.metric, r.metric))),
                (SELECT m.value FROM metrics m WHERE m.run = k.run AND m.scope = 2
                    AND m.metric = (SELECT id FROM metric_names WHERE name = coalesce(s.metric, r.metric))
                  ORDER BY m.step DESC LIMIT 1)) END AS best
FROM sweep_places k JOIN runs r ON r.number = k.run LEFT JOIN run_facts f ON f.run = k.run
LEFT JOIN sweeps s ON s.number = k.sweep;

-- The runs of each sweep, with what counts there: the best value of the sweep's metric. A run may belong to several
-- sweeps: a configuration that was trained before is not trained again.
CREATE VIEW sweep_runs AS
SELECT 's' || sweep AS sweep, trial AS trial, repeat AS repeat, 'r' || run AS run, metric AS metric, goal AS goal, best AS best,
       label AS label
FROM sweep_values;

-- Of runs that a sweep took over: the experiment as its trial has it, where run_params says how the run was described.
CREATE VIEW trial_params AS
SELECT 's' || sweep AS sweep, trial AS trial, repeat AS repeat, path AS path, value AS value FROM member_params;

CREATE VIEW sweep_summary AS
SELECT s.name AS name, s.experiment AS experiment, s.method AS method, s.metric AS metric, s.goal AS goal,
       s.trials AS trials, coalesce(k.runs, 0) AS runs, coalesce(k.finished, 0) AS finished,
       coalesce(k.failed, 0) AS failed, coalesce(k.stopped_early, 0) AS stopped_early, 'r' || k.best_run AS best_run,
       CASE s.goal WHEN 'minimize' THEN k.least ELSE k.most END AS best, s.created AS created, s.source AS source,
       (SELECT group_concat(t.tag, ' ') FROM tags t WHERE t.owner = s.name) AS tags
FROM sweeps s LEFT JOIN
     (SELECT o.sweep AS sweep, count(*) AS runs, count(*) FILTER (WHERE o.state = 'finished') AS finished,
             count(*) FILTER (WHERE o.state IN ('failed', 'killed')) AS failed,
             count(*) FILTER (WHERE o.state = 'stopped early') AS stopped_early,
             min(o.best) AS least, max(o.best) AS most,
             max(CASE WHEN o.best IS NOT NULL AND o.place = 1 THEN o.run END) AS best_run
        FROM (SELECT v.sweep AS sweep, v.run AS run, v.best AS best, v.state AS state,
                     row_number() OVER (PARTITION BY v.sweep
                                        ORDER BY v.best IS NULL, CASE v.goal WHEN 'minimize' THEN v.best ELSE -v.best END,
                                                 v.created, v.run) AS place
                FROM sweep_values v) o
       GROUP BY o.sweep) k ON k.sweep = s.number;

CREATE VIEW experiments AS
SELECT experiment AS name, count(*) AS runs, min(created) AS first, max(created) AS last FROM runs GROUP BY experiment;
