using StreamRec.Domain;

namespace StreamRec.Journal.Sqlite;

/// <summary>
/// The tables and how they came to be: each migration is one transaction, and a file that a newer build wrote is refused.
/// </summary>
internal static class SqliteSchema
{
    /// <summary>Migration i brings schema i to i + 1. Never edit one that was released; append.</summary>
    public static readonly IReadOnlyList<string> Migrations =
    [
        // Users: with a rowid. Without, a load is a tenth faster, but saves take twice as long, because whole states move when a page
        // of the key's tree splits; saves go through the one writer, loads do not.
        // Segments: the writer gives the positions, and rows are never deleted, so AUTOINCREMENT's extra table is not needed.
        // Their number of interactions is in the payload only: a row that is never updated is never moved, see SqliteStore.Forget.
        // The index on the partition carries the position (the rowid) behind it: it serves "this partition, above this position".
        """
        CREATE TABLE items (number INTEGER PRIMARY KEY, item_id TEXT NOT NULL UNIQUE);
        CREATE TABLE partitions (
            id INTEGER PRIMARY KEY, topic TEXT NOT NULL, log TEXT NOT NULL, partition INTEGER NOT NULL, epoch INTEGER NOT NULL,
            next_offset INTEGER NOT NULL, completed_offset INTEGER NOT NULL, folded_position INTEGER NOT NULL,
            UNIQUE (topic, log, partition));
        CREATE TABLE segments (
            position INTEGER PRIMARY KEY, partition INTEGER NOT NULL, first_offset INTEGER NOT NULL, next_offset INTEGER NOT NULL,
            payload BLOB NOT NULL);
        CREATE INDEX segments_by_partition ON segments (partition);
        CREATE TABLE users (user_id TEXT PRIMARY KEY, state BLOB NOT NULL);
        CREATE TABLE audit (id INTEGER PRIMARY KEY, at TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL);
        INSERT INTO meta VALUES ('interactions', 0), ('segments', 0), ('users', 0);
        """,

        // segments keeps what is worth a row. recent takes the small ones until neighbours among them are joined into rows of joined. Rows of
        // segments and joined are only ever added behind all others, and recent is emptied as a whole: deleting or inserting between rows would
        // make SQLite move some, and leave copies of other users' segments in unused parts of pages, where secure_delete does not reach.
        """
        CREATE TABLE recent (
            position INTEGER PRIMARY KEY, partition INTEGER NOT NULL, first_offset INTEGER NOT NULL, next_offset INTEGER NOT NULL,
            payload BLOB NOT NULL);
        CREATE INDEX recent_by_partition ON recent (partition);
        CREATE TABLE joined (
            id INTEGER PRIMARY KEY, position INTEGER NOT NULL, last_position INTEGER NOT NULL, partition INTEGER NOT NULL,
            first_offset INTEGER NOT NULL, next_offset INTEGER NOT NULL, payload BLOB NOT NULL);
        CREATE INDEX joined_by_position ON joined (position, last_position);
        CREATE INDEX joined_by_partition ON joined (partition, position, last_position);
        """,
    ];

    /// <summary>Brings the file to the newest schema; the version found and the version now.</summary>
    /// <exception cref="JournalSchemaException">A newer build wrote the file, or it is no journal.</exception>
    public static (long From, long To) Migrate(SqliteDatabase database, string path, IReadOnlyList<string> migrations)
    {
        var from = Version(database, path);
        if (from > migrations.Count)
        {
            throw new JournalSchemaException(
                $"Journal {path} has schema {from}; this build reads up to {migrations.Count}. "
                + "Start the newer build, or restore a backup from before the upgrade.");
        }

        for (var version = from; version < migrations.Count; version++)
        {
            Apply(database, migrations[(int)version], version + 1);
        }

        return (from, migrations.Count);
    }

    private static long Version(SqliteDatabase database, string path)
    {
        if (database.Int64("SELECT COUNT(*) FROM sqlite_master") == 0)
        {
            return 0;
        }

        if (database.Int64("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'") == 0)
        {
            throw new JournalSchemaException($"Journal:Path {path} is an SQLite file of something else; set another path.");
        }

        var version = database.Int64("SELECT value FROM meta WHERE key = 'schema'");
        return version > 0 ? version : throw new JournalCorruptException($"Journal {path} names no schema. Restore it from a backup.");
    }

    private static void Apply(SqliteDatabase database, string migration, long version)
    {
        // A failure closes the connection, and that rolls back.
        database.Execute("BEGIN IMMEDIATE");
        if (version == 1)
        {
            database.Execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID");
        }

        database.Execute(migration);
        database.Execute($"INSERT INTO meta VALUES ('schema', {version}) ON CONFLICT DO UPDATE SET value = excluded.value");
        database.Execute("COMMIT");
    }
}
