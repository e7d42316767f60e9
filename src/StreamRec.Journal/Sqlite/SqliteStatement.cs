using SQLitePCL;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Sqlite;

/// <summary>A prepared statement that is used again and again: binding and reading copy no more than SQLite itself does.</summary>
/// <remarks>
/// ADO.NET's command and reader would cost several allocations and microseconds a row; a user row is read in about as much in all.
/// Threading and ownership: those of its connection, which closes it. Spans from a row are valid until the next step or reset.
/// </remarks>
internal sealed class SqliteStatement
{
    private const int StackBytes = 512;

    private readonly sqlite3 _connection;
    private readonly sqlite3_stmt _statement;

    public SqliteStatement(sqlite3 connection, string sql)
    {
        _connection = connection;
        SqliteDatabase.Check(connection, raw.sqlite3_prepare_v2(connection, sql, out _statement));
    }

    public SqliteStatement Bind(int index, long value)
    {
        SqliteDatabase.Check(_connection, raw.sqlite3_bind_int64(_statement, index, value));
        return this;
    }

    public SqliteStatement BindText(int index, ReadOnlySpan<byte> utf8)
    {
        // An empty span is a null pointer, and that would be NULL.
        var result = utf8.IsEmpty ? raw.sqlite3_bind_text(_statement, index, "") : raw.sqlite3_bind_text(_statement, index, utf8);
        SqliteDatabase.Check(_connection, result);
        return this;
    }

    public SqliteStatement BindText(int index, string text)
    {
        Span<byte> buffer = stackalloc byte[StackBytes];
        return PackedWriter.StrictUtf8.TryGetBytes(text, buffer, out var length)
            ? BindText(index, buffer[..length])
            : BindText(index, PackedWriter.StrictUtf8.GetBytes(text));
    }

    public SqliteStatement BindBlob(int index, ReadOnlySpan<byte> value)
    {
        SqliteDatabase.Check(_connection, raw.sqlite3_bind_blob(_statement, index, value));
        return this;
    }

    /// <summary>Moves to the next row; false when there is none.</summary>
    public bool Step()
    {
        var result = raw.sqlite3_step(_statement);
        if (result is raw.SQLITE_ROW or raw.SQLITE_DONE)
        {
            return result == raw.SQLITE_ROW;
        }

        Reset();
        SqliteDatabase.Check(_connection, result);
        return false;
    }

    /// <summary>Ends the use and, outside a transaction, its snapshot. An error was already reported by the step.</summary>
    public void Reset() => _ = raw.sqlite3_reset(_statement);

    /// <summary>Runs a statement that returns no rows; how many rows it changed.</summary>
    public int Run()
    {
        Step();
        Reset();
        return raw.sqlite3_changes(_connection);
    }

    public long Int64(int column) => raw.sqlite3_column_int64(_statement, column);

    /// <summary>The bytes of a blob, or the UTF-8 of a text.</summary>
    public ReadOnlySpan<byte> Bytes(int column) => raw.sqlite3_column_blob(_statement, column);

    public string Text(int column) => PackedWriter.StrictUtf8.GetString(Bytes(column));

    public void Close() => _statement.Dispose();
}
