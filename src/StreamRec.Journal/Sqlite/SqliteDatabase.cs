using Microsoft.Data.Sqlite;
using SQLitePCL;
using StreamRec.Domain;

namespace StreamRec.Journal.Sqlite;

/// <summary>One connection, set up the way the journal needs it. Threading: one thread at a time.</summary>
internal sealed class SqliteDatabase : IDisposable
{
    public const int PageBytes = 8192;

    private const int BusyTimeoutMs = 10_000;
    private const int WriterCacheKiB = 32 * 1024;
    private const int ReaderCacheKiB = 8 * 1024;
    private const int PagesWritten = 9; // SQLITE_DBSTATUS_CACHE_WRITE
    private const int NoCheckpointOnClose = 1006; // SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE

    private readonly SqliteConnection _connection;
    private readonly List<SqliteStatement> _statements = [];

    private SqliteDatabase(SqliteConnection connection)
    {
        _connection = connection;
    }

    private sqlite3 Handle => _connection.Handle!;

    /// <summary>The one connection that writes.</summary>
    public static SqliteDatabase OpenWriter(string path, JournalSynchronous synchronous) => Open(path, database =>
    {
        // The page size counts only for a file that is still empty, and only before the write-ahead log is on.
        database.Execute($"PRAGMA page_size = {PageBytes}");
        database.RequireWriteAheadLog(path);
        database.Execute($"PRAGMA synchronous = {(synchronous == JournalSynchronous.Full ? "FULL" : "NORMAL")}");
        database.Execute("PRAGMA secure_delete = ON");
        database.Execute("PRAGMA foreign_keys = OFF");
        database.Execute($"PRAGMA cache_size = -{WriterCacheKiB}");

        // Checkpoints are a step of the writer, after the acknowledgements, where their errors are seen.
        database.Execute("PRAGMA wal_autocheckpoint = 0");
    });

    /// <summary>
    /// A connection that only reads; in the write-ahead log's mode it neither waits for the writer nor holds it up.
    /// </summary>
    public static SqliteDatabase OpenReader(string path) => Open(path, database =>
    {
        database.Execute("PRAGMA query_only = ON");
        database.Execute($"PRAGMA cache_size = -{ReaderCacheKiB}");
    });

    public static string LibraryVersion => raw.sqlite3_libversion().utf8_to_string();

    public void Execute(string sql) => Check(Handle, raw.sqlite3_exec(Handle, sql));

    /// <summary>A statement that lives as long as the connection.</summary>
    public SqliteStatement Prepare(string sql)
    {
        var statement = new SqliteStatement(Handle, sql);
        _statements.Add(statement);
        return statement;
    }

    /// <summary>The first column of the first row, 0 when there is none.</summary>
    public long Int64(string sql)
    {
        var statement = new SqliteStatement(Handle, sql);
        var value = statement.Step() ? statement.Int64(0) : 0;
        statement.Close();
        return value;
    }

    /// <summary>Replaces a blob by one of the same length without moving its row.</summary>
    public void Overwrite(string table, string column, long rowId, ReadOnlySpan<byte> value)
    {
        Check(Handle, raw.sqlite3_blob_open(Handle, "main", table, column, rowId, 1, out var blob));
        using (blob)
        {
            Check(Handle, raw.sqlite3_blob_write(blob, value, 0));
        }
    }

    /// <summary>How many pages this connection has written since the last call.</summary>
    public int TakePagesWritten()
    {
        Check(Handle, raw.sqlite3_db_status(Handle, PagesWritten, out var pages, out _, resetFlg: 1));
        return pages;
    }

    /// <summary>
    /// Copies the write-ahead log into the database file and empties it. False when a reader kept part of it back.
    /// </summary>
    /// <param name="patience">How long to wait for readers; with none, what can be copied is copied and the log stays as long as it is.</param>
    public bool Checkpoint(TimeSpan patience)
    {
        var mode = patience > TimeSpan.Zero ? raw.SQLITE_CHECKPOINT_TRUNCATE : raw.SQLITE_CHECKPOINT_PASSIVE;
        Check(Handle, raw.sqlite3_busy_timeout(Handle, (int)patience.TotalMilliseconds));
        var result = raw.sqlite3_wal_checkpoint_v2(Handle, "main", mode, out var pages, out var copied);
        Check(Handle, raw.sqlite3_busy_timeout(Handle, BusyTimeoutMs));
        if (result == raw.SQLITE_BUSY)
        {
            return false;
        }

        Check(Handle, result);
        return pages == copied;
    }

    /// <summary>After a failed sync nothing more may be copied: the next opening recovers from what is really on disk.</summary>
    public void LeaveWriteAheadLog() => _ = raw.sqlite3_db_config(Handle, NoCheckpointOnClose, 1, out _);

    /// <exception cref="SqliteException">The call failed.</exception>
    /// <exception cref="JournalCorruptException">The file's own structure is damaged.</exception>
    public static void Check(sqlite3 connection, int result)
    {
        if (result is raw.SQLITE_OK or raw.SQLITE_ROW or raw.SQLITE_DONE)
        {
            return;
        }

        if ((result & 0xff) is raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB)
        {
            throw new JournalCorruptException(
                $"The journal's file is damaged: {raw.sqlite3_errmsg(connection).utf8_to_string()}. Restore it from a backup.");
        }

        SqliteException.ThrowExceptionForRC(result, connection);
    }

    public void Dispose()
    {
        _statements.ForEach(statement => statement.Close());
        _connection.Dispose();
    }

    private void RequireWriteAheadLog(string path)
    {
        var statement = new SqliteStatement(Handle, "PRAGMA journal_mode = WAL");
        var mode = statement.Step() ? statement.Text(0) : "unknown";
        statement.Close();
        if (mode != "wal")
        {
            throw new IOException($"Journal {path} cannot have a write-ahead log (its mode stays {mode}); put it on a local file system.");
        }
    }

    private static SqliteDatabase Open(string path, Action<SqliteDatabase> setUp)
    {
        SqliteNative.Use();
        var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, Mode = SqliteOpenMode.ReadWriteCreate }.ToString());
        try
        {
            connection.Open();
            Check(connection.Handle!, raw.sqlite3_busy_timeout(connection.Handle!, BusyTimeoutMs));
            var database = new SqliteDatabase(connection);
            setUp(database);
            return database;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
