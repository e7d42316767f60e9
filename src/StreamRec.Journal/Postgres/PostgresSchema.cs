using Npgsql;

namespace StreamRec.Journal.Postgres;

/// <summary>The tables and how they came to be: all missing migrations in one transaction; a schema that a newer build wrote is refused.</summary>
internal static class PostgresSchema
{
    // The oldest that is still maintained.
    private const int LeastServer = 130_000;

    // One number of our own for pg_advisory_xact_lock: one node migrates, the others wait.
    private const long MigrationLock = 0x53_54_52_45_41_4d;

    /// <summary>Migration i brings schema i to i + 1. Never edit one that was released; append.</summary>
    public static readonly IReadOnlyList<string> Migrations =
    [
        // journal: the one row that every transaction locks first, so that positions are given in the order of the commits.
        // writers: how many transactions each writer has committed, by which one whose outcome is unknown is known again.
        // Ids are bytes: no collation, and every character that an id may have. Payloads and states are packed already. Statistics of them
        // would keep samples of ids that were forgotten.
        """
        CREATE TABLE journal (
            version integer NOT NULL, position bigint NOT NULL, interactions bigint NOT NULL, segments bigint NOT NULL, users bigint NOT NULL)
            WITH (fillfactor = 10);
        CREATE UNIQUE INDEX journal_is_one_row ON journal ((true));
        CREATE TABLE items (number integer PRIMARY KEY, item_id bytea NOT NULL UNIQUE);
        CREATE TABLE partitions (
            id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, topic text NOT NULL, log text NOT NULL, partition integer NOT NULL,
            epoch bigint NOT NULL, next_offset bigint NOT NULL, completed_offset bigint NOT NULL, folded_position bigint NOT NULL,
            UNIQUE (topic, log, partition)) WITH (fillfactor = 50);
        CREATE TABLE segments (
            position bigint PRIMARY KEY, partition integer NOT NULL, first_offset bigint NOT NULL, next_offset bigint NOT NULL,
            payload bytea NOT NULL);
        ALTER TABLE segments ALTER COLUMN payload SET STORAGE EXTERNAL;
        CREATE INDEX segments_by_partition ON segments (partition, position);
        CREATE TABLE users (user_id bytea PRIMARY KEY, state bytea NOT NULL) WITH (fillfactor = 80);
        ALTER TABLE users ALTER COLUMN state SET STORAGE EXTERNAL;
        ALTER TABLE users ALTER COLUMN user_id SET STATISTICS 0, ALTER COLUMN state SET STATISTICS 0;
        ALTER TABLE segments ALTER COLUMN payload SET STATISTICS 0;
        CREATE TABLE writers (id uuid PRIMARY KEY, commits bigint NOT NULL, at timestamptz NOT NULL) WITH (fillfactor = 10);
        CREATE TABLE audit (
            id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, action text NOT NULL, detail text NOT NULL);
        INSERT INTO journal VALUES (0, 0, 0, 0, 0);
        """,

        // last_position: of a row that several segments share, where the last of them stands. joinable: not asked yet whether it has small
        // neighbours to share a row with; that of rows which are there already is found out when their partition is written to again.
        """
        ALTER TABLE segments ADD COLUMN last_position bigint, ADD COLUMN joinable boolean NOT NULL DEFAULT true;
        CREATE INDEX segments_joined ON segments (position, last_position) WHERE last_position IS NOT NULL;
        CREATE INDEX segments_joinable ON segments (partition, position) WHERE joinable;
        """,
    ];

    /// <summary>Brings the schema to the newest version; the version found and the version now.</summary>
    /// <exception cref="JournalSchemaException">A newer build wrote it, the server is too old, or the schema holds something else.</exception>
    public static async Task<(int From, int To)> MigrateAsync(
        NpgsqlConnection connection, PostgresDatabase database, CancellationToken cancellationToken)
    {
        var server = await Sql.ScalarAsync<int>(connection, "SELECT current_setting('server_version_num')::int", cancellationToken);
        if (server < LeastServer)
        {
            throw new JournalSchemaException(
                $"{database.Name} is PostgreSQL {server / 10_000}; the journal needs {LeastServer / 10_000} or newer.");
        }

        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await Sql.RunAsync(connection, $"SELECT pg_advisory_xact_lock({MigrationLock})", cancellationToken);
        var from = await VersionAsync(connection, database, cancellationToken);
        if (from > Migrations.Count)
        {
            throw new JournalSchemaException(
                $"Journal {database.Name} has schema {from}; this build reads up to {Migrations.Count}. "
                + "Start the newer build, or restore a backup from before the upgrade.");
        }

        if (from == 0)
        {
            // Asked first: creating one that is there still needs the right to create others.
            var known = await Sql.ScalarAsync<long>(
                connection, $"SELECT count(*) FROM pg_namespace WHERE nspname = {Literal(database.Schema)}", cancellationToken);
            if (known == 0)
            {
                await Sql.RunAsync(connection, $"CREATE SCHEMA {Identifier(database.Schema)}", cancellationToken);
            }
        }

        for (var version = from; version < Migrations.Count; version++)
        {
            await Sql.RunAsync(connection, Migrations[version], cancellationToken);
            await Sql.RunAsync(connection, $"UPDATE journal SET version = {version + 1}", cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return (from, Migrations.Count);
    }

    private static async Task<int> VersionAsync(NpgsqlConnection connection, PostgresDatabase database, CancellationToken cancellationToken)
    {
        var tables = await Sql.ScalarAsync<long>(
            connection, $"SELECT count(*) FROM pg_tables WHERE schemaname = {Literal(database.Schema)}", cancellationToken);
        if (tables == 0)
        {
            return 0;
        }

        try
        {
            return await Sql.ScalarAsync<int>(connection, "SELECT version FROM journal", cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedColumn)
        {
            throw new JournalSchemaException(
                $"The schema {database.Schema} of {database.Name} holds tables of something else; "
                + "name another with 'Search Path' in Journal:ConnectionString.");
        }
    }

    private static string Identifier(string text) => $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private static string Literal(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
}
