"""Tables of the history: ordered migrations, each once and whole."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

APPLICATION_ID = 0x6B64706C
"""`kdpl`, in the header of every history file."""
SCHEMA_VERSION = 5
"""`user_version` of a history that has had all migrations below."""

migrations = Migrations("kdeploy")


@migrations()
def create_history(db: Database) -> None:
    """Events are the truth; `runs` and `run_environments` are their projection, for lists and searches."""
    db.executescript(
        """
        CREATE TABLE runs (
            run INTEGER PRIMARY KEY AUTOINCREMENT,
            plan TEXT NOT NULL,
            submitted TEXT NOT NULL,
            finished TEXT,
            outcome TEXT
        ) STRICT;
        CREATE TABLE run_environments (
            run INTEGER NOT NULL REFERENCES runs(run),
            environment TEXT NOT NULL,
            position INTEGER NOT NULL,
            ready INTEGER NOT NULL DEFAULT 0,
            error TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (run, environment)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX run_environments_by_name ON run_environments(environment, run);
        CREATE TABLE events (
            run INTEGER NOT NULL REFERENCES runs(run),
            seq INTEGER NOT NULL CHECK (seq > 0),
            time TEXT NOT NULL,
            environment TEXT NOT NULL,
            stage TEXT NOT NULL,
            attempt INTEGER NOT NULL,
            type TEXT NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (run, seq)
        ) STRICT;
        CREATE INDEX output_events ON events(run, environment, seq) WHERE type = 'output_appended';
        CREATE TABLE manifests (
            digest TEXT PRIMARY KEY,
            entries TEXT NOT NULL
        ) STRICT;
        CREATE TABLE readiness (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            environment TEXT NOT NULL,
            time TEXT NOT NULL,
            manifest TEXT NOT NULL REFERENCES manifests(digest),
            mark TEXT NOT NULL
        ) STRICT;
        CREATE INDEX readiness_by_environment ON readiness(environment, number);
        """
    )


@migrations()
def tell_how_environments_ended(db: Database) -> None:
    """What lists of runs and of failures show of each environment, and the way to the event that tells its end.

    `attempts` is the largest number of attempts at one stage, `code` that of its error.
    """
    db.executescript(
        """
        ALTER TABLE run_environments ADD COLUMN status TEXT NOT NULL DEFAULT '';
        ALTER TABLE run_environments ADD COLUMN code TEXT NOT NULL DEFAULT '';
        ALTER TABLE run_environments ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1;
        ALTER TABLE run_environments ADD COLUMN ended TEXT;
        CREATE INDEX ended_environments ON events(run, environment) WHERE type = 'environment_finished';
        CREATE INDEX ended_runs ON runs(finished);
        UPDATE run_environments SET (status, code, ended) = (
            SELECT json_extract(body, '$.status'), coalesce(json_extract(body, '$.error.code'), ''), time FROM events
            WHERE run = run_environments.run AND environment = run_environments.environment
                AND type = 'environment_finished'
        ) WHERE EXISTS (
            SELECT 1 FROM events WHERE run = run_environments.run AND environment = run_environments.environment
                AND type = 'environment_finished'
        );
        UPDATE run_environments SET attempts = tries.most FROM (
            SELECT run, environment, max(attempt) AS most FROM events WHERE type = 'stage_started' AND attempt > 1
            GROUP BY run, environment
        ) AS tries WHERE tries.run = run_environments.run AND tries.environment = run_environments.environment;
        """
    )


@migrations()
def keep_plans(db: Database) -> None:
    """The plan of a run as it was written, so that it can be run again; runs of older programs have none."""
    db.executescript(
        """
        CREATE TABLE run_plans (
            run INTEGER PRIMARY KEY REFERENCES runs(run),
            text TEXT NOT NULL,
            folder TEXT NOT NULL
        ) STRICT;
        """
    )


@migrations()
def keep_scans(db: Database) -> None:
    """What scanners found on environments, to tell what is new the next time."""
    db.executescript(
        """
        CREATE TABLE scans (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            environment TEXT NOT NULL,
            scanner TEXT NOT NULL,
            time TEXT NOT NULL,
            scan TEXT NOT NULL
        ) STRICT;
        CREATE INDEX scans_by_environment ON scans(environment, scanner, number);
        """
    )


@migrations()
def keep_source_checks(db: Database) -> None:
    """What semantic patches found in source trees, and the baselines that later runs are compared with."""
    db.executescript(
        """
        CREATE TABLE source_checks (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            source TEXT NOT NULL,
            mode TEXT NOT NULL,
            patch TEXT NOT NULL,
            time TEXT NOT NULL,
            baseline INTEGER NOT NULL,
            result TEXT NOT NULL
        ) STRICT;
        CREATE INDEX source_baselines ON source_checks(source, mode, patch, number) WHERE baseline = 1;
        """
    )


def migrate(db: Database) -> None:
    """Bring a history to this program's schema; call it inside a transaction, so that it happens whole."""
    migrations.apply(db)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
