namespace StreamRec.Journal;

/// <summary>Another process, or another journal in this one, has the file open: there is exactly one writer.</summary>
public sealed class JournalInUseException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>
/// The file cannot be opened, or a commit failed, so its outcome is unknown; a failed sync must not be tried again, because the system may have dropped the data
/// and report success. The journal refuses everything until it is reopened, which recovers what is really on disk.
/// </summary>
public sealed class JournalFailedException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>The database does not answer, or refuses the user that was given.</summary>
public sealed class JournalUnreachableException(string message, Exception? inner = null) : IOException(message, inner);

/// <summary>The file or database is not a journal, or a newer build wrote it.</summary>
public sealed class JournalSchemaException(string message) : Exception(message);
