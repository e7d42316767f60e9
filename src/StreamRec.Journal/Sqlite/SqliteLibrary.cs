namespace StreamRec.Journal.Sqlite;

/// <summary>The system's SQLite.</summary>
public static class SqliteLibrary
{
    /// <summary>Its version, for example 3.40.1.</summary>
    /// <exception cref="DllNotFoundException">SQLite is not installed; the text says how to install it.</exception>
    public static string Version
    {
        get
        {
            SqliteNative.Use();
            return SqliteDatabase.LibraryVersion;
        }
    }
}
